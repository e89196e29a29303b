"""What can go wrong, one class per cause. Each has a stable `code` and says whether trying again can help."""


class LinkError(Exception):
    """Base of all; `code` is stable, `retryable` says whether the same call may succeed later."""

    code = 'link'
    retryable = False

    def __init__(self, text, code=None, retryable=None):
        super().__init__(text)
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class MalformedError(LinkError):
    """Bytes from outside break a rule or a limit of the wire."""

    code = 'malformed'


class UnreachableError(LinkError):
    """No carrier came up: name, network, proxy or TLS."""

    code = 'unreachable'
    retryable = True


class ImpostorError(LinkError):
    """The server is not the one that is expected, or its signature is wrong. Do not try again."""

    code = 'impostor'


class RefusedError(LinkError):
    """The server does not accept this agent; `code` is the server's."""

    code = 'refused'


class SessionLostError(LinkError):
    """The session is gone with its streams; the next one can be used."""

    code = 'session-lost'
    retryable = True


class ClosedError(LinkError):
    """The link or the stream was closed by this side."""

    code = 'closed'


class RemoteError(LinkError):
    """The other end reset the stream; `code` is its own."""

    code = 'reset'


class WaitTimeoutError(LinkError):
    """Nothing came within the time given."""

    code = 'timeout'
    retryable = True


class SendRefusedError(LinkError):
    """The relay does not store a message; `code` is the relay's."""

    code = 'send-refused'


class EnvelopeError(LinkError):
    """An envelope that is not for this key, damaged, or not by whom it says."""

    code = 'sealed'
