"""What the client does with bytes that break the rules, without a server: python3 -m unittest test_pulsemesh_link."""

import os
import stat
import struct
import tempfile
import unittest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pulsemesh_link import (
    EnvelopeError,
    Identity,
    ImpostorError,
    MalformedError,
    key_of_peer_id,
    open_envelope,
    peer_id_of_key,
    seal_envelope,
)
from pulsemesh_link.carriers import PACKET_BYTES_MAX, unframe
from pulsemesh_link.keys import public_bytes
from pulsemesh_link.session import Session
from pulsemesh_link.wire import MESSAGE_BYTES_MAX, REPEATED_MAX, decode, encode, varint


class Wire(unittest.TestCase):
    def test_gives_back_what_it_was_given(self):
        item = {'ref': 2**53 - 1, 'to': [b'a' * 16, b'b' * 16], 'message_id': b'c' * 16, 'envelope': b'', 'ttl_s': 7}
        again = decode('SendBatch', encode('SendBatch', {'items': [item]}))['items'][0]
        self.assertEqual({key: again[key] for key in item}, item)
        offsets = [0, 1, 127, 128, 2**53 - 1]
        self.assertEqual(decode('Ack', encode('Ack', {'offsets': offsets}))['offsets'], offsets)

    def test_passes_over_what_it_does_not_know(self):
        unknown = varint(99 << 3 | 2) + b'\x03abc' + varint(98 << 3 | 5) + b'1234' + varint(97 << 3) + b'\x01'
        self.assertEqual(decode('End', unknown + encode('End', {'stream': 3})), {'stream': 3})

    def test_refuses_what_breaks_the_rules(self):
        cases = {
            'cut': b'\x0a\x05abc',
            'an endless number': b'\x08' + b'\xff' * 11,
            'a number past 2^53': b'\x08' + varint(2**53),
            'another type': b'\x0a\x01a',
            'a group': b'\x0b',
        }
        for name, data in cases.items():
            with self.subTest(name), self.assertRaises(MalformedError):
                decode('End', data)
        with self.assertRaises(MalformedError):
            decode('Open', b'\x12\x01\xff')
        with self.assertRaises(MalformedError):
            decode('ReceiveCommand', b'\x22\x00' * (REPEATED_MAX + 1))
        with self.assertRaises(MalformedError):
            decode('Welcome', bytes(MESSAGE_BYTES_MAX + 1))

    def test_refuses_frames_that_are_cut_compressed_or_too_long(self):
        self.assertEqual(unframe(b'\0\0\0\0\x01a\0\0\0\0\0'), [b'a', b''])
        for body in (b'\0\0\0', b'\0\0\0\0\x02a', b'\x01\0\0\0\x01a', struct.pack('>BI', 0, PACKET_BYTES_MAX + 1)):
            with self.subTest(body), self.assertRaises(MalformedError):
                unframe(body)


class Carrier:
    def __init__(self):
        self.is_closed = False

    def send(self, packets):
        pass

    def close(self):
        self.is_closed = True


class Handshake(unittest.TestCase):
    def setUp(self):
        self.server = Ed25519PrivateKey.generate()
        self.session = Session(Identity(os.urandom(32)), public_bytes(self.server), 'test', {})
        self.addCleanup(self.session.close)

    def welcome(self, ephemeral, signer):
        core = {'version': 1, 'session': b's' * 16, 'ephemeral': ephemeral, 'server': public_bytes(signer)}
        data = encode('WelcomeCore', core)
        return encode('Packet', {'welcome': {'core': data, 'signature': bytes(64)}})

    def test_ends_when_the_signature_is_wrong(self):
        self.session.on_packet(Carrier(), self.welcome(public_bytes(X25519PrivateKey.generate()), self.server))
        self.assertIsInstance(self.session.error, ImpostorError)

    def test_ends_when_the_key_is_another(self):
        other = Ed25519PrivateKey.generate()
        self.session.on_packet(Carrier(), self.welcome(public_bytes(X25519PrivateKey.generate()), other))
        self.assertIsInstance(self.session.error, ImpostorError)

    def test_drops_what_is_malformed_or_comes_too_early(self):
        for packet in (b'', b'\xff', b'\x0a\xff', encode('Packet', {'sealed': {'session': b's' * 16, 'number': 1, 'box': b'x'}})):
            self.session.on_packet(Carrier(), packet)
        self.assertEqual(self.session.state, 'greeting')

    def test_a_refusal_before_the_welcome_costs_the_carrier_only(self):
        carrier = Carrier()
        self.session.on_packet(carrier, encode('Packet', {'refusal': {'code': 'busy'}}))
        self.assertTrue(carrier.is_closed)
        self.assertEqual(self.session.state, 'greeting')

    def test_takes_each_packet_once(self):
        session = self.session
        session.core, session._open = {'session': b's' * 16}, AESGCM(bytes(32))
        batch = encode('Batch', {'first': 1, 'items': [{'login_result': {'accepted': True}}]})
        count = struct.pack('>Q', 1)
        box = AESGCM(bytes(32)).encrypt(b'\0\0\0\0' + count, batch, b's' * 16 + count)
        packet = encode('Packet', {'sealed': {'session': b's' * 16, 'number': 1, 'box': box}})
        session.on_packet(Carrier(), packet[:-1] + b'x')
        self.assertEqual(session.state, 'greeting')
        session.on_packet(Carrier(), packet)
        self.assertEqual(session.state, 'up')
        session.state = 'greeting'
        session.on_packet(Carrier(), packet)
        self.assertEqual(session.state, 'greeting')


class Keys(unittest.TestCase):
    def test_peer_ids_and_keys_name_each_other(self):
        key = Identity(bytes(32)).public_key
        self.assertEqual(key_of_peer_id(peer_id_of_key(key)), key)
        for text in ('', 'Qm', peer_id_of_key(key)[:-1] + '0', peer_id_of_key(key)[:-1]):
            with self.subTest(text), self.assertRaises(ValueError):
                key_of_peer_id(text)

    def test_a_new_identity_is_the_owners_alone_and_stays(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'key')
            first = Identity.load_or_create(path)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(Identity.load_or_create(path).peer_id, first.peer_id)


class Envelopes(unittest.TestCase):
    def test_opens_for_its_recipient_and_use_only_and_undamaged(self):
        one, two = Identity(os.urandom(32)), Identity(os.urandom(32))
        envelope = seal_envelope(one, two.sealing_key, b'content', 'use')
        opened = open_envelope(two, envelope, 'use')
        self.assertEqual((opened.sender_key, opened.content), (one.public_key, b'content'))
        with self.assertRaises(EnvelopeError):
            open_envelope(one, envelope, 'use')
        with self.assertRaises(EnvelopeError):
            open_envelope(two, envelope, 'other')
        for position in (0, 1, 2, 40, 300, len(envelope) - 1):
            damaged = bytearray(envelope)
            damaged[position] ^= 1
            with self.subTest(position), self.assertRaises(EnvelopeError):
                open_envelope(two, bytes(damaged), 'use')
        with self.assertRaises(EnvelopeError):
            open_envelope(two, envelope[:-1], 'use')


if __name__ == '__main__':
    unittest.main()
