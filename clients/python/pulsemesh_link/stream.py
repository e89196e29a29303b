"""Streams of a session: messages both ways, with credit (link.proto, STREAMS)."""

import collections
import time

from .errors import ClosedError, MalformedError, RemoteError, WaitTimeoutError

PART_BYTES = 16 * 1024
DATA_COST = 64
CREDIT_BYTES = 256 * 1024
CREDIT_PORTION = 64 * 1024
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
WAIT_SECONDS = 60.0


class Stream:
    """One stream. `send` blocks while the other end is slow; `receive` blocks until a message or the end comes."""

    def __init__(self, session, number):
        self._session, self.number = session, number
        self._may_send, self._owed = CREDIT_BYTES, 0
        self._parts, self._parts_bytes = [], 0
        self._messages = collections.deque()
        self._has_ended = self._is_ended = False
        self._error = None

    @property
    def is_broken(self):
        """Whether it was reset or its session is over."""
        return self._error is not None

    def send(self, message, timeout=WAIT_SECONDS):
        """Sends one message of at most 4 MiB; returns once it is handed to the session."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise ValueError('a message is at most 4 MiB long')
        deadline = time.monotonic() + timeout
        session = self._session
        with session.lock:
            for start in range(0, max(len(message), 1), PART_BYTES):
                part = bytes(message[start:start + PART_BYTES])
                cost = len(part) + DATA_COST
                self._wait(lambda cost=cost: self._may_send >= cost and session.has_room(), deadline)
                if self._has_ended:
                    raise ClosedError('the stream was ended')
                self._may_send -= cost
                session.put({'data': {'stream': self.number, 'payload': part, 'more': start + PART_BYTES < len(message)}})

    def receive(self, timeout=WAIT_SECONDS):
        """The next message, or None at the end."""
        session = self._session
        with session.lock:
            self._wait(lambda: self._messages or self._is_ended, time.monotonic() + timeout, is_reading=True)
            if not self._messages:
                return None
            message, cost = self._messages.popleft()
            self._give_back(cost)
            return message

    def __iter__(self):
        while (message := self.receive(timeout=float(2**31))) is not None:
            yield message

    def end(self):
        """No more messages from here."""
        with self._session.lock:
            if self._error is None and not self._has_ended:
                self._has_ended = True
                self._session.put({'end': {'stream': self.number}})
                self._forget_if_over()

    def reset(self, code='cancelled', text=''):
        """Ends both directions at once."""
        with self._session.lock:
            if self._error is None and not (self._has_ended and self._is_ended):
                self._session.put({'reset': {'stream': self.number, 'code': code, 'text': text}})
                self.broken(ClosedError('the stream was reset here', code))
                self._session.forget(self)

    def _wait(self, is_ready, deadline, is_reading=False):
        session = self._session
        while True:
            if self._error is not None and not (is_reading and self._messages):
                raise self._error
            if is_ready():
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError('nothing came in time')
            session.changed.wait(min(left, 3600))

    # From here on the session calls, with its lock.

    def take(self, kind, body):
        if kind == 'data':
            self._take_data(body)
        elif kind == 'credit':
            self._may_send += body['bytes']
        elif kind == 'end':
            self._is_ended = True
            self._forget_if_over()
        elif kind == 'reset':
            self.broken(RemoteError(f'the other end reset the stream: {body["code"]}', body['code'], body['retryable']))
            self._session.forget(self)

    def _take_data(self, body):
        cost = len(body['payload']) + DATA_COST
        if len(body['payload']) > PART_BYTES or self._parts_bytes + cost > MESSAGE_BYTES_MAX + CREDIT_BYTES:
            raise MalformedError('a message is too long')
        self._parts.append(body['payload'])
        self._parts_bytes += len(body['payload'])
        if body['more']:
            self._give_back(cost)
            return
        self._messages.append((b''.join(self._parts), cost))
        self._parts, self._parts_bytes = [], 0

    def _give_back(self, cost):
        self._owed += cost
        if self._owed >= CREDIT_PORTION and self._error is None and not self._is_ended:
            self._session.put({'credit': {'stream': self.number, 'bytes': self._owed}})
            self._owed = 0

    def _forget_if_over(self):
        if self._has_ended and self._is_ended:
            self._session.forget(self)

    def broken(self, error):
        self._error = self._error or error
