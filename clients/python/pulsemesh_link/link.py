"""A link: keeps a session alive over whatever carrier passes, and begins a new one when a session is lost."""

import threading
import time

from .carriers import CARRIERS, Place
from .errors import ClosedError, ImpostorError, LinkError, RefusedError, UnreachableError, WaitTimeoutError
from .keys import key_of_peer_id
from .session import Session

WELCOME_SECONDS = 10.0
PAUSE_SECONDS = 0.05
PAUSE_SECONDS_MAX = 10.0


class Link:
    """A link to one server. Use it as a context manager, or call `close`.

    url          http(s)://host:port
    identity     an `Identity`
    server       the server's peer id (text) or Ed25519 key (32 bytes); None trusts TLS alone
    transports   which carriers to try, in this order, when one does not come up: 'websocket', 'long-poll'
    ca_file      PEM file of certificates to trust besides the system's; proxy: http://[user:password@]host:port
    """

    def __init__(self, url, identity, server=None, transports=('websocket', 'long-poll'), ca_file=None, proxy=None,
                 invitation=b'', software='pulsemesh-python/0.1.0'):
        unknown = [name for name in transports if name not in CARRIERS]
        if unknown or not transports:
            raise ValueError(f'transports are {", ".join(CARRIERS)}')
        self.identity = identity
        self._place = Place(url, ca_file, proxy)
        self._server = key_of_peer_id(server) if isinstance(server, str) else server
        self._transports, self._choice = list(transports), 0
        self._software, self._invitation = software, invitation
        self._methods, self._listeners = {}, []
        self._changed = threading.Condition()
        self._session = self._carrier = self._error = self._told = self._problem = None
        #: How many carriers and how many sessions there have been.
        self.carriers_count, self.sessions_count = 0, 0
        threading.Thread(target=self._keep, daemon=True, name='pulsemesh-link').start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ── what it is for ────────────────────────────────────────────────────────────────────────

    def session(self, timeout=30.0):
        """The session once it is up. Raises what ended the link for good; after `timeout` seconds why no carrier came up."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                if self._error is not None:
                    raise self._error
                if self._session is not None and self._session.state == 'up':
                    return self._session
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._problem or WaitTimeoutError('the link did not come up in time')
                self._changed.wait(min(left, 1.0))

    def stream(self, method, timeout=30.0):
        """Opens a stream for a method of the server."""
        return self.session(timeout).open(method)

    def request(self, method, message, timeout=30.0):
        """One message and its answer."""
        stream = self.stream(method, timeout)
        stream.send(message, timeout)
        stream.end()
        answer = stream.receive(timeout)
        if answer is None:
            raise UnreachableError('the server ended without an answer', 'no-answer', False)
        return answer

    def serve(self, method, handler):
        """Takes streams that the server opens: `handler(stream)` runs in a thread of its own."""
        self._methods[method] = handler

    def on_session(self, listener):
        """Calls `listener(session)` for each new session, at once for the one there is."""
        with self._changed:
            self._listeners.append(listener)
            session = self._told
        if session is not None and session.state == 'up':
            listener(session)

    @property
    def transport(self):
        """The carrier in use, or None."""
        carrier = self._carrier
        return None if carrier is None else carrier.name

    def use(self, transport):
        """Moves to this carrier; nothing that is under way is lost."""
        self._choice = self._transports.index(transport)
        self.cut()

    def cut(self):
        """Cuts the carrier, as a firewall would; the session goes on on another one."""
        carrier = self._carrier
        if carrier is not None:
            carrier.close()

    def close(self, timeout=2.0):
        """Says goodbye and stops. Waits shortly for what is under way."""
        with self._changed:
            session, carrier = self._session, self._carrier
            self._error = self._error or ClosedError('the link was closed')
            self._changed.notify_all()
        if session is not None:
            session.flush(timeout)
            session.close()
        if carrier is not None:
            time.sleep(PAUSE_SECONDS)
            carrier.close()

    # ── keeping ───────────────────────────────────────────────────────────────────────────────

    def _keep(self):
        pause = PAUSE_SECONDS
        while self._error is None:
            try:
                self._one_carrier()
                pause = PAUSE_SECONDS
            except (ImpostorError, RefusedError) as error:
                self._fail(error)
            except LinkError as error:
                self._problem = error
                # The next transport; after all of them were tried, more slowly.
                self._choice = (self._choice + 1) % len(self._transports)
                if self._choice == 0:
                    pause = min(2 * pause, PAUSE_SECONDS_MAX)
                with self._changed:
                    if self._error is None:
                        self._changed.wait(pause)

    def _one_carrier(self):
        """Runs a carrier until it breaks. Raises when it did not come up, or when the link is over for good."""
        session = self._session
        if session is None or session.state == 'over':
            session = Session(self.identity, self._server, self._software, self._methods, self._invitation)
            with self._changed:
                self._session = session
        broken = threading.Event()

        def on_closed(carrier, _error):
            session.detach(carrier)
            broken.set()

        carrier = CARRIERS[self._transports[self._choice]](
            self._place, lambda origin, packet: session.on_packet(origin, packet), on_closed
        )
        self._carrier = carrier
        was_up = session.state == 'up'
        carrier.start()
        session.attach(carrier)
        try:
            self._watch(session, carrier, broken, was_up)
        finally:
            self._carrier = None
            carrier.close()

    def _watch(self, session, carrier, broken, was_up):
        begin = time.monotonic()
        is_proven = False
        while not broken.is_set() and self._error is None:
            with session.lock:
                state, error = session.state, session.error
                if state != 'over' and not session.is_proven(carrier):
                    session.changed.wait(0.1)
            if state == 'over':
                if not error.retryable:
                    raise error
                return
            if session.is_proven(carrier):
                if not is_proven:
                    is_proven = True
                    self.carriers_count += 1
                    if not was_up:
                        self._tell(session)
                broken.wait(0.25)
                if session.state == 'over' and self._error is None:
                    self._raise_if_final(session.error)
                    return
            elif time.monotonic() - begin > WELCOME_SECONDS:
                raise UnreachableError(f'{carrier.name} carried nothing within {WELCOME_SECONDS:.0f} s')
        if not is_proven and self._error is None:
            raise UnreachableError(f'{carrier.name} broke before it carried anything')

    @staticmethod
    def _raise_if_final(error):
        if not error.retryable:
            raise error

    def _tell(self, session):
        with self._changed:
            self.sessions_count += 1
            self._told = session
            listeners = list(self._listeners)
            self._changed.notify_all()
        for listener in listeners:
            listener(session)

    def _fail(self, error):
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
