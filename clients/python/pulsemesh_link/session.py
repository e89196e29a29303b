"""One session (link.proto): handshake, seal, order, acknowledgement, resumption. No sockets here: carriers bring packets."""

import collections
import hashlib
import os
import struct
import threading
import time

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import ClosedError, ImpostorError, LinkError, MalformedError, RefusedError, SessionLostError
from .keys import hkdf, public_bytes
from .stream import Stream
from .wire import decode, encode, varint

BATCH_BYTES = 32 * 1024
BATCH_ITEMS = 1024
UNACKED_BYTES_MAX = 1024 * 1024
EARLY_ITEMS_MAX = 8192
REPLAY_WINDOW = 4096
RESEND_SECONDS = 1.0
RESEND_SECONDS_MAX = 30.0
GAP_SECONDS = 0.05
PING_SECONDS = 20.0
PONG_SECONDS = 10.0
ITEM_OVERHEAD = 32
SERVED_STREAMS_MAX = 256


class Session:
    """States: 'greeting' until the login is accepted, 'up', 'over'. All methods may be called from any thread."""

    def __init__(self, identity, server_key, software, handlers, invitation=b''):
        self._identity, self._server_key, self._software = identity, server_key, software
        self._handlers, self._invitation = handlers, invitation
        self._secret = X25519PrivateKey.generate()
        self._hello = encode('Hello', {'version': 1, 'ephemeral': public_bytes(self._secret), 'nonce': os.urandom(32)})
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.state, self.error, self.is_guest = 'greeting', None, False
        self.core = None
        self._seal = self._open = None
        self._carrier, self._proven, self._route, self._pinged = None, None, 0, 0.0
        self._number, self._seen, self._seen_max = 0, set(), 0
        # What this side says: item k of the deque has the number `_acked + 1 + k`; `_next` counts those sent on this carrier.
        self._unacked, self._unacked_bytes, self._acked, self._next = collections.deque(), 0, 0, 0
        self._progress, self._resend_after = time.monotonic(), RESEND_SECONDS
        # What the other side says.
        self._received, self._early, self._gap_since = 0, {}, None
        self._owes_ack = self._wants_ping = self._wants_close = self._asks_resend = False
        self._pong, self._ping_number, self._refused = 0, 0, 0
        self._streams, self._stream_id, self._server_stream = {}, 1, 0
        threading.Thread(target=self._pump, daemon=True, name='pulsemesh-session').start()

    # ── carriers ──────────────────────────────────────────────────────────────────────────────

    def attach(self, carrier):
        """Uses this carrier from now on; what is not acknowledged is sent again on it."""
        with self.lock:
            self._carrier = carrier
            self._refused = self._ping_number = 0
            self._pinged = time.monotonic()
            if self.core is not None:
                self._route += 1
                self._next = 0
                self._wants_ping = True
            self.changed.notify_all()
        if self.core is None:
            carrier.send([b'\x0a' + bytes([len(self._hello)]) + self._hello])

    def detach(self, carrier):
        with self.lock:
            if self._carrier is carrier:
                self._carrier = None
                self.changed.notify_all()

    def on_packet(self, carrier, packet):
        """A packet came. What is malformed or does not open is dropped, as the wire asks."""
        try:
            body = decode('Packet', packet)
            with self.lock:
                if self.state == 'over':
                    return
                if body['sealed'] is not None and self._open is not None:
                    self._on_sealed(body['sealed'])
                elif body['welcome'] is not None and self.core is None:
                    self._on_welcome(body['welcome'])
                elif body['refusal'] is not None:
                    self._on_refusal(carrier, body['refusal'])
                self.changed.notify_all()
        except MalformedError:
            return
        except LinkError as error:
            self.end(error)

    def _on_refusal(self, carrier, refusal):
        # In clear: anybody in between can write one. Before the welcome it costs this carrier, later it must be repeated.
        if self.core is None:
            carrier.close()
        elif refusal['code'] == 'unknown-session' and refusal['session'] == self.core['session'] and carrier is self._carrier:
            self._refused += 1
            self._wants_ping = True
            if self._refused > 1:
                raise SessionLostError('the server does not know the session any more')

    # ── handshake ─────────────────────────────────────────────────────────────────────────────

    def _on_welcome(self, welcome):
        core = decode('WelcomeCore', welcome['core'])
        hello_hash = hashlib.sha256(self._hello).digest()
        if self._server_key is not None and core['server'] != self._server_key:
            raise ImpostorError('the server has another key than the one expected')
        try:
            signed = b'pulsemesh/link/1 server' + hello_hash + welcome['core']
            Ed25519PublicKey.from_public_bytes(core['server']).verify(welcome['signature'], signed)
            # Refuses an all-zero secret.
            secret = self._secret.exchange(X25519PublicKey.from_public_bytes(core['ephemeral']))
        except (InvalidSignature, ValueError) as error:
            raise ImpostorError('the server\'s signature or key is wrong') from error
        if core['version'] != 1 or len(core['session']) != 16:
            raise MalformedError('not a welcome of version 1')
        parts = b'pulsemesh/link/1 transcript', hello_hash, hashlib.sha256(welcome['core']).digest()
        transcript = hashlib.sha256(b''.join(parts)).digest()
        keys = hkdf(secret, b'pulsemesh/link/1 keys', 64, transcript)
        self._seal, self._open = AESGCM(keys[:32]), AESGCM(keys[32:])
        self.core, self._route, self._wants_ping = core, 1, True
        login = {
            'public_key': self._identity.public_key,
            'signature': self._identity.sign(b'pulsemesh/link/1 agent' + transcript),
            'invitation': self._invitation,
            'software': self._software,
        }
        # The login is item 1, before what was opened in the meantime.
        self._unacked.appendleft(encode('Item', {'login': login}))
        self._unacked_bytes += len(self._unacked[0]) + ITEM_OVERHEAD

    # ── what comes ────────────────────────────────────────────────────────────────────────────

    def _on_sealed(self, sealed):
        number = sealed['number']
        if sealed['session'] != self.core['session'] or number in self._seen or number <= self._seen_max - REPLAY_WINDOW:
            return
        count = struct.pack('>Q', number)
        try:
            plain = self._open.decrypt(b'\0\0\0\0' + count, sealed['box'], sealed['session'] + count)
        except InvalidTag:
            return
        self._seen.add(number)
        self._seen_max = max(self._seen_max, number)
        if len(self._seen) > 2 * REPLAY_WINDOW:
            self._seen = {each for each in self._seen if each > self._seen_max - REPLAY_WINDOW}
        self._refused = 0
        self._on_batch(decode('Batch', plain))

    def _on_batch(self, batch):
        self._take_ack(batch['ack'])
        if batch['resend']:
            self._next = 0
        if batch['ping']:
            self._pong = batch['ping']
        if batch['pong'] and batch['pong'] == self._ping_number:
            self._ping_number = 0
            self._proven = self._carrier
        for index, item in enumerate(batch['items']):
            number = batch['first'] + index
            if number > self._received and len(self._early) < EARLY_ITEMS_MAX:
                self._early[number] = item
            self._owes_ack = True
        while self._received + 1 in self._early:
            self._received += 1
            self._act(self._early.pop(self._received))
        if not self._early:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = time.monotonic()

    def _take_ack(self, ack):
        taken = ack - self._acked
        if taken > len(self._unacked):
            raise MalformedError('what was never sent is acknowledged')
        if taken > 0:
            for _ in range(taken):
                self._unacked_bytes -= len(self._unacked.popleft()) + ITEM_OVERHEAD
            self._acked = ack
            self._next = max(0, self._next - taken)
            self._progress, self._resend_after = time.monotonic(), RESEND_SECONDS

    def _act(self, item):
        kind = next((name for name, value in item.items() if value is not None), None)
        body = item.get(kind)
        if kind == 'login_result':
            if not body['accepted']:
                raise RefusedError(f'the server refused the login: {body["text"]}', body['code'])
            self.state, self.is_guest = 'up', body['guest']
        elif kind == 'goodbye':
            self._wants_close = True
            self._fail(SessionLostError(f'the server ended the session: {body["text"]}', body['code'], body['retryable']))
        elif kind == 'open':
            self._accept(body)
        elif kind is not None and 'stream' in body and body['stream'] in self._streams:
            self._streams[body['stream']].take(kind, body)

    def _accept(self, body):
        number = body['stream']
        if number % 2 != 0 or number <= self._server_stream:
            raise MalformedError('a stream has a number that is not the server\'s next')
        self._server_stream = number
        stream = self._streams[number] = Stream(self, number)
        handler = self._handlers.get(body['method'])
        if handler is None or len(self._streams) > SERVED_STREAMS_MAX:
            stream.reset('unknown-method' if handler is None else 'busy', 'not taken here')
        else:
            threading.Thread(target=_serve, args=(handler, stream), daemon=True, name='pulsemesh-serve').start()

    # ── what goes ─────────────────────────────────────────────────────────────────────────────

    def open(self, method):
        """A new stream for a method of the server."""
        with self.lock:
            self._check()
            stream = self._streams[self._stream_id] = Stream(self, self._stream_id)
            self._stream_id += 2
            self.put({'open': {'stream': stream.number, 'method': method}})
            return stream

    def put(self, item):
        """Appends an item; the caller holds the lock."""
        self._check()
        if not self._unacked:
            self._progress = time.monotonic()
        data = encode('Item', item)
        self._unacked.append(data)
        self._unacked_bytes += len(data) + ITEM_OVERHEAD
        self.changed.notify_all()

    def is_proven(self, carrier):
        """Whether the session is up and this carrier carried something both ways."""
        return self.state == 'up' and self._proven is carrier

    def flush(self, timeout):
        """Waits until everything that was put is acknowledged, or the time is over."""
        deadline = time.monotonic() + timeout
        with self.lock:
            while self._unacked and self.state == 'up' and time.monotonic() < deadline:
                self.changed.wait(0.05)

    def has_room(self):
        """Whether more may be put before something is acknowledged."""
        return self._unacked_bytes < UNACKED_BYTES_MAX

    def forget(self, stream):
        self._streams.pop(stream.number, None)

    def _check(self):
        if self.state == 'over':
            raise self.error

    def _pump(self):
        """The one thread that sends: waits for something to say, then says it in as few packets as there can be."""
        while True:
            with self.lock:
                packets = self._due_packets()
                carrier = self._carrier
                if not packets:
                    if self.state == 'over':
                        return
                    self.changed.wait(self._sleep_seconds())
                    continue
            if carrier is not None:
                carrier.send(packets)

    def _sleep_seconds(self):
        return 0.02 if self._early else 0.25

    def _due_packets(self):
        if self.core is None or self._carrier is None:
            return []
        now = time.monotonic()
        if self._unacked and now - self._progress > self._resend_after:
            self._next, self._progress = 0, now
            self._resend_after = min(2 * self._resend_after, RESEND_SECONDS_MAX)
        if self._gap_since is not None and now - self._gap_since > GAP_SECONDS:
            # Asked once for a gap, then again after a while.
            self._gap_since, self._asks_resend = now + RESEND_SECONDS, True
        if self._ping_number and now - self._pinged > PONG_SECONDS:
            carrier, self._carrier, self._ping_number = self._carrier, None, 0
            threading.Thread(target=carrier.close, daemon=True).start()
            return []
        if not self._ping_number and now - self._pinged > PING_SECONDS:
            self._wants_ping = True
        packets = []
        while self._next < len(self._unacked) or self._has_more_to_say():
            packets.append(self._packet(self._next_batch(now)))
            if len(packets) == 8:
                break
        return packets

    def _has_more_to_say(self):
        return self._owes_ack or self._wants_ping or self._pong or self._asks_resend or self._wants_close

    def _next_batch(self, now):
        items, size = [], 0
        first = self._acked + 1 + self._next
        while self._next < len(self._unacked) and size < BATCH_BYTES and len(items) < BATCH_ITEMS:
            items.append(self._unacked[self._next])
            size += len(items[-1])
            self._next += 1
        batch = {'ack': self._received, 'route': self._route, 'resend': self._asks_resend, 'pong': self._pong}
        if items:
            batch['first'] = first
        if self._wants_ping:
            self._ping_number, self._pinged = int.from_bytes(os.urandom(4), 'big') + 1, now
            batch['ping'] = self._ping_number
        batch['close'] = self._wants_close and self._next == len(self._unacked)
        self._owes_ack = self._wants_ping = self._asks_resend = False
        self._pong = 0
        if batch['close']:
            self._wants_close = False
        # The items are bytes already: field 5, length-delimited.
        return encode('Batch', batch) + b''.join(b'\x2a' + varint(len(item)) + item for item in items)

    def _packet(self, batch):
        self._number += 1
        count = struct.pack('>Q', self._number)
        session = self.core['session']
        box = self._seal.encrypt(b'\0\0\0\0' + count, batch, session + count)
        return encode('Packet', {'sealed': {'session': session, 'number': self._number, 'box': box}})

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def close(self):
        """Says goodbye; what was put before goes out with it."""
        with self.lock:
            self._wants_close = True
            self._fail(ClosedError('the link was closed'))

    def end(self, error):
        with self.lock:
            self._fail(error)

    def _fail(self, error):
        if self.state == 'over':
            return
        self.state, self.error = 'over', error
        for stream in list(self._streams.values()):
            stream.broken(error)
        self._streams.clear()
        self.changed.notify_all()


def _serve(handler, stream):
    try:
        handler(stream)
        stream.end()
    except LinkError as error:
        stream.reset(error.code, 'the handler ended early')
    except Exception:
        # What went wrong here is nobody else's business; threading's hook tells whoever runs this program.
        stream.reset('internal', 'the handler failed')
        raise
