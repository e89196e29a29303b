"""Pulsemesh from Python: a link to a relay through any firewall, mailboxes, streams, requests and topics.

Written from link.proto and relay.proto alone; needs nothing but the standard library and `cryptography`.
"""

from .envelope import OpenedEnvelope, open_envelope, seal_envelope
from .errors import (
    ClosedError,
    EnvelopeError,
    ImpostorError,
    LinkError,
    MalformedError,
    RefusedError,
    RemoteError,
    SendRefusedError,
    SessionLostError,
    UnreachableError,
    WaitTimeoutError,
)
from .keys import Identity, address_of_key, key_of_peer_id, peer_id_of_key
from .link import Link
from .relay import Contact, Message, Relay

__all__ = [
    'ClosedError', 'Contact', 'EnvelopeError', 'Identity', 'ImpostorError', 'Link', 'LinkError', 'MalformedError', 'Message',
    'OpenedEnvelope', 'RefusedError', 'Relay', 'RemoteError', 'SendRefusedError', 'SessionLostError', 'UnreachableError',
    'WaitTimeoutError', 'address_of_key', 'key_of_peer_id', 'open_envelope', 'peer_id_of_key', 'seal_envelope',
]
