"""Keys, names and derivations: Ed25519 identity, its peer id, its address at a relay, HKDF."""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
# An identity multihash of the protobuf {Type: Ed25519, Data: 32 bytes}: libp2p's peer id of such a key.
PEER_ID_HEAD = bytes((0x00, 0x24, 0x08, 0x01, 0x12, 0x20))


def hkdf(key, info, length, salt=None):
    """HKDF-SHA-256 (RFC 5869), extract and expand."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)


def public_bytes(private_key):
    """The 32 bytes of the public half."""
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return private_key.public_key().public_bytes(*raw)


class Identity:
    """Who this agent is: an Ed25519 key of a 32-byte seed. Keep the seed secret."""

    def __init__(self, seed):
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        secret = hkdf(seed, b'pulsemesh/sealing/1', 32)
        #: The X25519 key that others seal to: the first epoch's (packages/identity/PROTOCOL.md).
        self.sealing = X25519PrivateKey.from_private_bytes(hkdf(secret, b'pulsemesh/sealing/1 x25519', 32))
        self.sealing_key = public_bytes(self.sealing)
        self.public_key = public_bytes(self._key)
        self.peer_id = peer_id_of_key(self.public_key)
        self.address = address_of_key(self.public_key)

    @classmethod
    def load_or_create(cls, path):
        """The identity in a file of 32 bytes, readable by its owner only; drawn when there is none."""
        file = Path(path)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(file.read_bytes())
        with os.fdopen(handle, 'wb') as out:
            out.write(os.urandom(32))
        return cls(file.read_bytes())

    def sign(self, message):
        """A 64-byte Ed25519 signature."""
        return self._key.sign(message)


def peer_id_of_key(key):
    """The peer id (12D3KooW…) of an Ed25519 public key."""
    number = int.from_bytes(PEER_ID_HEAD + key, 'big')
    digits = ''
    while number > 0:
        number, digit = divmod(number, 58)
        digits = ALPHABET[digit] + digits
    return '1' + digits  # base58 writes each leading zero byte as a 1


def key_of_peer_id(text):
    """The Ed25519 public key in a peer id; raises ValueError for another text."""
    if len(text) != 52 or any(letter not in ALPHABET for letter in text):
        raise ValueError('not the peer id of an Ed25519 key')
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    data = number.to_bytes(40, 'big')[-38:]
    if data[:6] != PEER_ID_HEAD or peer_id_of_key(data[6:]) != text:
        raise ValueError('not the peer id of an Ed25519 key')
    return data[6:]


def address_of_key(key):
    """The address of an agent at a relay (relay.proto, WHO)."""
    return hashlib.sha256(b'pulsemesh/peer-inbox' + key).digest()[:16]
