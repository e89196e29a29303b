"""The relay's methods (relay.proto): mailboxes, streams between agents, topics. What is sent should be sealed (`envelope.py`)."""

import collections
import os
import threading
import time

from .envelope import open_envelope, seal_envelope
from .errors import EnvelopeError, LinkError, RemoteError, SendRefusedError, WaitTimeoutError
from .keys import address_of_key
from .wire import decode, encode

OUTBOX_MAX = 10_000
BATCH_ITEMS_MAX = 256
BATCH_BYTES_MAX = 1024 * 1024
ENVELOPE_BYTES_MAX = 1024 * 1024
SEEN_MAX = 100_000
RETRY_SECONDS = 0.5
PASSING_REFUSALS = ('too-fast', 'busy')

SEALED_CONTEXT = 'pulsemesh/relay/1'

Message = collections.namedtuple('Message', 'inbox message_id envelope stored_ms')
#: What a contact card says of an agent: its Ed25519 key and the X25519 key to seal to, 32 bytes each.
Contact = collections.namedtuple('Contact', 'public_key sealing_key')


class Relay:
    """An agent's mailbox, calls and topics over a `Link`.

    `receive` gives each message once; it is acknowledged with the next call of `receive`, or by `acknowledge`, so that a program
    that dies while it works gets the message again. A program that must never act twice keeps the message ids with its effects.
    """

    def __init__(self, link):
        self._link = link
        self.address = link.identity.address
        self._changed = threading.Condition()
        # ref → item, in the order of sending, until the relay stored it.
        self._outbox, self._ref, self._refusals, self._sending = collections.OrderedDict(), 0, {}, None
        self._inbox, self._seen, self._given, self._acks = collections.deque(), collections.OrderedDict(), None, None
        self._epoch, self._offset, self.continuity_lost_count = b'', 0, 0
        self._served, self._topics, self._topic_stream, self._publishing = {}, {}, None, None
        link.serve('peer.accept', self._accept)
        link.on_session(self._use)

    def _use(self, session):
        """A new session: everything that lives on streams begins again."""
        run = lambda work: threading.Thread(target=_quietly, args=(work, session), daemon=True).start()
        run(self._run_sending)
        run(self._run_receiving)
        with self._changed:
            self._topic_stream = self._publishing = None
            has_topics = bool(self._topics)
        if has_topics:
            run(self._run_topics)

    # ── mailboxes ─────────────────────────────────────────────────────────────────────────────

    def send(self, to, envelope, ttl_seconds=0, wait=True, timeout=60.0, message_id=None):
        """Stores an envelope in the mailboxes `to` (an address, or a list). With `wait` returns once the relay has it durably.

        Raises SendRefusedError, WaitTimeoutError. Returns the message id.
        """
        targets = [to] if isinstance(to, bytes) else list(to)
        if len(envelope) > ENVELOPE_BYTES_MAX:
            raise SendRefusedError('an envelope is at most 1 MiB long', 'too-large')
        deadline = time.monotonic() + timeout
        with self._changed:
            self._wait(lambda: len(self._outbox) < OUTBOX_MAX, deadline)
            self._ref += 1
            ref, message_id = self._ref, message_id or os.urandom(16)
            item = {'ref': ref, 'to': targets, 'message_id': message_id, 'envelope': bytes(envelope), 'ttl_s': ttl_seconds}
            self._outbox[ref] = item
            self._changed.notify_all()
            if not wait:
                return message_id
            self._wait(lambda: ref not in self._outbox, deadline)
            if ref in self._refusals:
                code = self._refusals.pop(ref)
                raise SendRefusedError(f'the relay refused the message: {code}', code)
        return message_id

    def send_sealed(self, contact, content, **options):
        """Seals content for an agent and sends it to its mailbox. The message id is sealed with it, so that a relay cannot repeat it."""
        message_id = os.urandom(16)
        identity = self._link.identity
        envelope = seal_envelope(identity, contact.sealing_key, message_id + content, SEALED_CONTEXT)
        return self.send(address_of_key(contact.public_key), envelope, message_id=message_id, **options)

    def open_sealed(self, message):
        """The sender's Ed25519 key and the content of a received message. Raises EnvelopeError. Whether to listen to that key is for the caller."""
        opened = open_envelope(self._link.identity, message.envelope, SEALED_CONTEXT)
        if opened.content[:16] != message.message_id:
            raise EnvelopeError('the envelope belongs to another message')
        return opened.sender_key, opened.content[16:]

    def flush(self, timeout=60.0):
        """Waits until everything that was sent is stored. Raises SendRefusedError for what was refused meanwhile."""
        with self._changed:
            self._wait(lambda: not self._outbox, time.monotonic() + timeout)
            if self._refusals:
                _, code = self._refusals.popitem()
                raise SendRefusedError(f'the relay refused a message: {code}', code)

    def receive(self, timeout=60.0):
        """The next message of the agent's own mailbox. Acknowledges the one given before."""
        self.acknowledge()
        with self._changed:
            self._wait(lambda: self._inbox, time.monotonic() + timeout)
            message, offset, stream = self._inbox.popleft()
            self._given = (message, offset, stream)
            return message

    def acknowledge(self):
        """Says that the effect of the last message is durable: the relay forgets it."""
        with self._changed:
            given, self._given = self._given, None
        if given is None:
            return
        message, offset, stream = given
        self._seen[message.message_id] = True
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        self._acknowledge(stream, message.inbox, offset)

    @staticmethod
    def _acknowledge(stream, inbox, offset):
        try:
            stream.send(encode('ReceiveCommand', {'acks': [{'inbox': inbox, 'offsets': [offset]}]}))
        except LinkError:
            pass  # The relay delivers it again on the next stream; it is dropped there by its id.

    def _wait(self, is_ready, deadline):
        while not is_ready():
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError('the relay did not get it done in time')
            self._changed.wait(left)

    def _run_sending(self, session):
        while session.state == 'up':
            stream = session.open('mailbox.send')
            reader = threading.Thread(target=_quietly, args=(self._read_results, stream), daemon=True)
            reader.start()
            self._write_items(session, stream)
            reader.join()
            time.sleep(RETRY_SECONDS)

    def _write_items(self, session, stream):
        """Everything in the outbox, oldest first, as long as this stream stands."""
        sent = 0
        while session.state == 'up':
            with self._changed:
                if stream.is_broken:
                    return
                items, size = [], 0
                # Refs grow, so that what comes after the last one sent is what is left to send.
                for ref, item in self._outbox.items():
                    if ref <= sent:
                        continue
                    if items and (len(items) == BATCH_ITEMS_MAX or size + len(item['envelope']) > BATCH_BYTES_MAX):
                        break
                    items.append(item)
                    size += len(item['envelope']) + 64
                if not items:
                    self._changed.wait(0.25)
                    continue
            stream.send(encode('SendBatch', {'items': items}))
            sent = items[-1]['ref']

    def _read_results(self, stream):
        try:
            for answer in stream:
                if self._take_results(decode('SendResults', answer)['results']):
                    stream.reset('retry', 'begins again')
                    return
        finally:
            with self._changed:
                self._changed.notify_all()

    def _take_results(self, results):
        """True where the relay wants to be asked again later."""
        with self._changed:
            for result in results:
                codes = [refused['code'] for refused in result['refused']]
                if any(code in PASSING_REFUSALS for code in codes):
                    return True
                if self._outbox.pop(result['ref'], None) is not None and codes:
                    self._refusals[result['ref']] = codes[0]
            self._changed.notify_all()
        return False

    def _run_receiving(self, session):
        with self._changed:
            # What was delivered on the last stream and not acknowledged comes again on this one.
            self._inbox.clear()
            watch = {'inbox': self.address, 'epoch': self._epoch, 'offset': self._offset}
        stream = session.open('mailbox.receive')
        stream.send(encode('ReceiveCommand', {'watch': {'inboxes': [watch]}}))
        for answer in stream:
            events = decode('ReceiveEvents', answer)
            for watched in events['watched']:
                self._take_watched(watched)
            for delivery in events['deliveries']:
                self._take_delivery(stream, delivery)

    def _take_watched(self, watched):
        with self._changed:
            if watched['continuity'] == 2:
                self.continuity_lost_count += 1
                self._offset = 0
            self._epoch = watched['epoch']

    def _take_delivery(self, stream, delivery):
        message_id, offset = delivery['message_id'], delivery['offset']
        with self._changed:
            self._offset = max(self._offset, offset)
            is_given = self._given is not None and self._given[0].message_id == message_id
            if is_given:
                # It is being worked on; its acknowledgement belongs on the new stream.
                self._given = (self._given[0], offset, stream)
                return
            if message_id not in self._seen and delivery['kind'] == 0:
                # The relay's window bounds what is here.
                message = Message(delivery['inbox'], message_id, delivery['envelope'], delivery['stored_ms'])
                self._inbox.append((message, offset, stream))
                self._changed.notify_all()
                return
        self._acknowledge(stream, delivery['inbox'], offset)

    # ── streams between agents ────────────────────────────────────────────────────────────────

    def stream(self, to, name, timeout=30.0):
        """A stream to an agent that is online; a refusal (`peer-offline`) breaks it."""
        stream = self._link.stream('peer.open', timeout)
        stream.send(encode('PeerOpen', {'to': to, 'name': name}))
        return stream

    def request(self, to, name, message, timeout=30.0):
        """One message and its answer. Raises RemoteError, with the code `peer-offline` where nobody is there."""
        stream = self.stream(to, name, timeout)
        stream.send(message, timeout)
        stream.end()
        answer = stream.receive(timeout)
        if answer is None:
            raise RemoteError('the other agent ended without an answer', 'no-answer')
        return answer

    def serve(self, name, handler):
        """Takes streams that others open under this name: `handler(stream, caller's public key)` in a thread of its own."""
        self._served[name] = handler

    def answer(self, name, answer_of):
        """Answers requests: `answer_of(message, caller's public key)` gives the answer."""

        def handler(stream, caller):
            message = stream.receive()
            if message is not None:
                stream.send(answer_of(message, caller))

        self.serve(name, handler)

    def _accept(self, stream):
        offer = decode('PeerOffer', stream.receive() or b'')
        handler = self._served.get(offer['name'])
        if handler is None:
            stream.reset('peer-refused', 'nothing of that name is served here')
        else:
            handler(stream, offer['from'])

    # ── topics ────────────────────────────────────────────────────────────────────────────────

    def publish(self, topic, payload):
        """To those who are online and subscribed, at most once. `topic`: 16 bytes; the payload is at most 64 KiB."""
        session = self._link.session()
        with self._changed:
            if self._publishing is None or self._publishing[0] is not session:
                self._publishing = (session, session.open('topic.publish'))
            stream = self._publishing[1]
        stream.send(encode('TopicBatch', {'messages': [{'topic': topic, 'payload': payload}]}))

    def subscribe(self, topic, handler):
        """Calls `handler(payload)` for what is published; None as handler ends it. Subscribed again on every new session."""
        with self._changed:
            if handler is None:
                self._topics.pop(topic, None)
            else:
                self._topics[topic] = handler
            stream, topics = self._topic_stream, list(self._topics)
        if stream is not None:
            stream.send(encode('TopicSubscribe', {'topics': topics}))
        else:
            session = self._link.session()
            threading.Thread(target=_quietly, args=(self._run_topics, session), daemon=True).start()

    def _run_topics(self, session):
        with self._changed:
            if self._topic_stream is not None:
                return
            stream = self._topic_stream = session.open('topic.subscribe')
            topics = list(self._topics)
        stream.send(encode('TopicSubscribe', {'topics': topics}))
        for answer in stream:
            for message in decode('TopicBatch', answer)['messages']:
                handler = self._topics.get(message['topic'])
                if handler is not None:
                    handler(message['payload'])


def _quietly(work, argument):
    """Runs what ends with its session: the next session starts it again."""
    try:
        work(argument)
    except LinkError:
        pass


