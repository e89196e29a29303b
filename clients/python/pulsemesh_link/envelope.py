"""Agent-to-agent envelopes, suite 1 (packages/identity/src/envelope/PROTOCOL.md): what the relay cannot read.

HPKE (RFC 9180) with X25519, HKDF-SHA-256 and AES-256-GCM: a message in base mode tells the recipient who the sender is, one in
auth mode holds the content, padded to a size class.
"""

import collections
import os
import struct
import time

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .errors import EnvelopeError
from .keys import public_bytes

LABEL = 'pulsemesh/envelope/1'
HEAD = b'\x01\x01'
KIB = 1024
SIZE_CLASSES = [256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB]
CONTENT_BYTES_MAX = 8 * KIB * KIB
FIELD_BYTES = 192
BASE, AUTH = 0, 2
BEFORE_BYTES = 2 + 32 + 176
KEM_SUITE = b'KEM' + struct.pack('>H', 0x0020)
HPKE_SUITE = b'HPKE' + struct.pack('>HHH', 0x0020, 0x0001, 0x0002)

OpenedEnvelope = collections.namedtuple('OpenedEnvelope', 'sender_key message_id created_ms content')


def seal_envelope(identity, sealing_key, content, context):
    """Seals content to whoever holds `sealing_key` (32 bytes, from their contact card). `context`: what it is for; both know it."""
    if len(content) > CONTENT_BYTES_MAX:
        raise EnvelopeError('the content is too long', 'content-too-large')
    inner_key, outer_key = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    inner = _context(_encapsulate(inner_key, sealing_key, identity.sealing), AUTH, _info('content', context, sealing_key))
    outer = _context(_encapsulate(outer_key, sealing_key, None), BASE, _info('sender', context, sealing_key))
    proof = identity.public_key + identity.sealing_key
    proof += identity.sign(f'{LABEL} sealing key'.encode() + identity.sealing_key)
    before = HEAD + public_bytes(outer_key) + _seal(outer, HEAD, proof + public_bytes(inner_key))
    fields = _cbor_map(bytes(content), int(time.time() * 1000), os.urandom(16))
    size = _size_class(len(content)) + FIELD_BYTES
    padded = struct.pack('>I', len(fields)) + fields + bytes(size - len(fields))
    return before + _seal(inner, before, padded)


def open_envelope(identity, envelope, context):
    """Opens an envelope that is sealed to this identity. Raises EnvelopeError. Whoever acts on it remembers `message_id`."""
    if envelope[:2] != HEAD or _size_class(len(envelope) - 422) != len(envelope) - 422:
        raise EnvelopeError('an envelope of another version, suite or length')
    before, key = envelope[:BEFORE_BYTES], identity.sealing_key
    try:
        outer = _context(_decapsulate(before[2:34], identity, None), BASE, _info('sender', context, key))
        sender = _open(outer, HEAD, before[34:])
        sender_key, sender_sealing, signature, enc = sender[:32], sender[32:64], sender[64:128], sender[128:]
        Ed25519PublicKey.from_public_bytes(sender_key).verify(signature, f'{LABEL} sealing key'.encode() + sender_sealing)
        inner = _context(_decapsulate(enc, identity, sender_sealing), AUTH, _info('content', context, key))
        padded = _open(inner, before, envelope[BEFORE_BYTES:])
    except (InvalidTag, InvalidSignature, ValueError) as error:
        raise EnvelopeError('the envelope does not open') from error
    (length,) = struct.unpack('>I', padded[:4])
    if 4 + length > len(padded) or any(padded[4 + length:]):
        raise EnvelopeError('the padding is wrong')
    return OpenedEnvelope(sender_key, *_fields_of(padded[4:4 + length]))


def _size_class(length):
    if length > CONTENT_BYTES_MAX:
        raise EnvelopeError('the content is too long')
    return next((size for size in SIZE_CLASSES if length <= size), -(-length // (KIB * KIB)) * KIB * KIB)


def _info(part, context, key):
    return b'\x85' + b''.join(_cbor(3, each.encode()) for each in (LABEL, 'x25519', part, context)) + _cbor(2, key)


# ── deterministic CBOR, as much as is needed (RFC 8949 §4.2) ──────────────────────────────────


def _cbor(major, value):
    head = _cbor_head(major, value if isinstance(value, int) else len(value))
    return head if isinstance(value, int) else head + value


def _cbor_head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for code, (format_, end) in enumerate((('>B', 1 << 8), ('>H', 1 << 16), ('>I', 1 << 32), ('>Q', 1 << 64)), 24):
        if number < end:
            return bytes([major << 5 | code]) + struct.pack(format_, number)
    raise ValueError('an integer is too great')


def _cbor_map(content, created, message_id):
    # Keys in the order of their encoded bytes: the shorter first.
    pairs = (('id', 2, message_id), ('content', 2, content), ('created', 0, created))
    return b'\xa3' + b''.join(_cbor(3, name.encode()) + _cbor(major, value) for name, major, value in pairs)


def _fields_of(data):
    """The only spelling of the map there is: read what it must be, write it again, compare."""
    # A map of three, 'id', 16 bytes, 'content', …: each name is 3 or 8 bytes long, each head tells its length.
    message_id, position = data[5:21], 21
    try:
        name_end = position + 8
        length, start = _read_head(data, name_end)
        content = data[start:start + length]
        created, _ = _read_head(data, start + length + 8)
    except (IndexError, struct.error) as error:
        raise EnvelopeError('the content is malformed') from error
    if len(message_id) != 16 or created >= 1 << 53 or _cbor_map(content, created, message_id) != data:
        raise EnvelopeError('the content is malformed')
    return message_id, created, content


def _read_head(data, position):
    low = data[position] & 0x1F
    if low < 24:
        return low, position + 1
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(low)
    if size is None or position + 1 + size > len(data):
        raise EnvelopeError('the content is malformed')
    return int.from_bytes(data[position + 1:position + 1 + size], 'big'), position + 1 + size


# ── HPKE (RFC 9180 §4, §5) ────────────────────────────────────────────────────────────────────


def _extract(suite, salt, label, key):
    mac = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    mac.update(b'HPKE-v1' + suite + label + key)
    return mac.finalize()


def _expand(suite, key, label, info, length):
    labeled = struct.pack('>H', length) + b'HPKE-v1' + suite + label + info
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=labeled).derive(key)


def _shared_secret(secret, context):
    return _expand(KEM_SUITE, _extract(KEM_SUITE, b'', b'eae_prk', secret), b'shared_secret', context, 32)


def _encapsulate(ephemeral, recipient, sender):
    theirs = X25519PublicKey.from_public_bytes(recipient)
    secret, context = ephemeral.exchange(theirs), public_bytes(ephemeral) + recipient
    if sender is not None:
        secret += sender.exchange(theirs)
        context += public_bytes(sender)
    return _shared_secret(secret, context)


def _decapsulate(enc, identity, sender):
    secret = identity.sealing.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + identity.sealing_key
    if sender is not None:
        secret += identity.sealing.exchange(X25519PublicKey.from_public_bytes(sender))
        context += sender
    return _shared_secret(secret, context)


def _context(shared_secret, mode, info):
    """The AEAD and the nonce of the first message, which is the only one."""
    head = bytes([mode]) + _extract(HPKE_SUITE, b'', b'psk_id_hash', b'') + _extract(HPKE_SUITE, b'', b'info_hash', info)
    secret = _extract(HPKE_SUITE, shared_secret, b'secret', b'')
    return AESGCM(_expand(HPKE_SUITE, secret, b'key', head, 32)), _expand(HPKE_SUITE, secret, b'base_nonce', head, 12)


def _seal(context, associated, plain):
    return context[0].encrypt(context[1], plain, associated)


def _open(context, associated, box):
    return context[0].decrypt(context[1], box, associated)
