"""Protocol buffers (proto3), as far as link.proto and relay.proto need them: a table and two functions.

A message is a dict. A field that is absent decodes as 0, b'', '', False or []; a nested message as None. Unknown fields are
passed over.
"""

import struct

from .errors import MalformedError

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
REPEATED_MAX = 8192
INTEGER_END = 1 << 53

# name → {field number: (field name, kind)}. Kinds: uint, fixed64, bool, bytes, text, or the name of a message; [kind] is repeated.
MESSAGES = {
    # link.proto
    'Packet': {1: ('hello', 'Hello'), 2: ('welcome', 'Welcome'), 3: ('sealed', 'Sealed'), 4: ('refusal', 'Refusal')},
    'Hello': {1: ('version', 'uint'), 2: ('ephemeral', 'bytes'), 3: ('nonce', 'bytes')},
    'Welcome': {1: ('core', 'bytes'), 2: ('signature', 'bytes')},
    'WelcomeCore': {
        1: ('version', 'uint'), 2: ('session', 'bytes'), 3: ('ephemeral', 'bytes'), 4: ('server', 'bytes'),
        5: ('time_ms', 'fixed64'), 6: ('certificate', 'bytes'), 7: ('packet_bytes_max', 'uint'),
        8: ('streams_max', 'uint'), 9: ('grace_ms', 'uint'),
    },
    'Sealed': {1: ('session', 'bytes'), 2: ('number', 'fixed64'), 3: ('box', 'bytes')},
    'Refusal': {1: ('code', 'text'), 2: ('text', 'text'), 3: ('session', 'bytes')},
    'Batch': {
        1: ('ack', 'uint'), 2: ('route', 'uint'), 3: ('resend', 'bool'), 4: ('first', 'uint'), 5: ('items', ['Item']),
        6: ('ping', 'uint'), 7: ('pong', 'uint'), 8: ('close', 'bool'), 9: ('certificate', 'bytes'),
    },
    'Item': {
        1: ('login', 'Login'), 2: ('login_result', 'LoginResult'), 3: ('open', 'Open'), 4: ('data', 'Data'),
        5: ('credit', 'Credit'), 6: ('end', 'End'), 7: ('reset', 'Reset'), 8: ('goodbye', 'Goodbye'),
    },
    'Login': {
        1: ('public_key', 'bytes'), 2: ('signature', 'bytes'), 3: ('certificates', ['bytes']), 4: ('invitation', 'bytes'),
        5: ('software', 'text'),
    },
    'LoginResult': {1: ('accepted', 'bool'), 2: ('code', 'text'), 3: ('text', 'text'), 4: ('guest', 'bool')},
    'Open': {1: ('stream', 'uint'), 2: ('method', 'text')},
    'Data': {1: ('stream', 'uint'), 2: ('payload', 'bytes'), 3: ('more', 'bool')},
    'Credit': {1: ('stream', 'uint'), 2: ('bytes', 'uint')},
    'End': {1: ('stream', 'uint')},
    'Reset': {1: ('stream', 'uint'), 2: ('code', 'text'), 3: ('text', 'text'), 4: ('retryable', 'bool')},
    'Goodbye': {1: ('code', 'text'), 2: ('text', 'text'), 3: ('retryable', 'bool')},
    # relay.proto
    'SendBatch': {1: ('items', ['SendItem'])},
    'SendItem': {
        1: ('ref', 'uint'), 2: ('to', ['bytes']), 3: ('message_id', 'bytes'), 4: ('envelope', 'bytes'), 5: ('ttl_s', 'uint'),
        6: ('priority', 'uint'), 7: ('receipt_to', 'bytes'),
    },
    'SendResults': {1: ('results', ['SendResult'])},
    'SendResult': {1: ('ref', 'uint'), 2: ('refused', ['Refused'])},
    'Refused': {1: ('target', 'uint'), 2: ('code', 'text')},
    'ReceiveCommand': {1: ('watch', 'Watch'), 2: ('acks', ['Ack']), 3: ('reads', ['ReadReceipt']), 4: ('unwatch', ['bytes'])},
    'Watch': {1: ('inboxes', ['WatchedInbox']), 2: ('window_messages', 'uint'), 3: ('window_bytes', 'uint')},
    'WatchedInbox': {1: ('inbox', 'bytes'), 2: ('epoch', 'bytes'), 3: ('offset', 'uint')},
    'Ack': {1: ('inbox', 'bytes'), 2: ('offsets', ['uint'])},
    'ReadReceipt': {1: ('inbox', 'bytes'), 2: ('message_id', 'bytes'), 3: ('receipt_to', 'bytes')},
    'ReceiveEvents': {1: ('watched', ['Watched']), 2: ('deliveries', ['Delivery'])},
    'Watched': {1: ('inbox', 'bytes'), 2: ('code', 'text'), 3: ('epoch', 'bytes'), 4: ('continuity', 'uint')},
    'Delivery': {
        1: ('inbox', 'bytes'), 2: ('offset', 'uint'), 3: ('message_id', 'bytes'), 4: ('envelope', 'bytes'),
        5: ('stored_ms', 'uint'), 6: ('priority', 'uint'), 7: ('kind', 'uint'), 8: ('receipt_to', 'bytes'),
    },
    'Receipt': {1: ('kind', 'uint'), 2: ('inbox', 'bytes'), 3: ('message_id', 'bytes')},
    'PeerOpen': {1: ('to', 'bytes'), 2: ('name', 'text')},
    'PeerOffer': {1: ('from', 'bytes'), 2: ('to', 'bytes'), 3: ('name', 'text')},
    'TopicSubscribe': {1: ('topics', ['bytes'])},
    'TopicBatch': {1: ('messages', ['TopicMessage'])},
    'TopicMessage': {1: ('topic', 'bytes'), 2: ('payload', 'bytes')},
}

NUMBERS = {name: {field: (number, kind) for number, (field, kind) in fields.items()} for name, fields in MESSAGES.items()}
WIRE_TYPES = {'uint': 0, 'bool': 0, 'fixed64': 1}
EMPTY = {'uint': 0, 'bool': False, 'fixed64': 0, 'bytes': b'', 'text': ''}


def varint(value):
    """An unsigned integer below 2^64 as bytes."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def encode(name, message):
    """The bytes of a message; raises KeyError for a field that it does not have."""
    parts = []
    for field, value in message.items():
        number, kind = NUMBERS[name][field]
        if isinstance(kind, list):
            if kind[0] == 'uint':
                parts.append(_encode_field(number, 'bytes', b''.join(map(varint, value))))
            else:
                parts.extend(_encode_field(number, kind[0], each) for each in value)
        elif kind in MESSAGES or value != EMPTY[kind]:
            parts.append(_encode_field(number, kind, value))
    return b''.join(parts)


def _encode_field(number, kind, value):
    wire_type = WIRE_TYPES.get(kind, 2)
    tag = varint(number << 3 | wire_type)
    if wire_type == 0:
        return tag + varint(int(value))
    if wire_type == 1:
        return tag + struct.pack('<Q', value)
    data = encode(kind, value) if kind in MESSAGES else value.encode() if kind == 'text' else value
    return tag + varint(len(data)) + data


def decode(name, data):
    """The message in `data`. Raises MalformedError; of a oneof only the fields that are there are not None."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise MalformedError('a message is too long')
    fields = MESSAGES[name]
    message = {
        field: [] if isinstance(kind, list) else EMPTY.get(kind) for field, kind in fields.values()
    }
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        wire_type = tag & 7
        value, position = _read_value(data, position, wire_type)
        if tag >> 3 in fields:
            field, kind = fields[tag >> 3]
            _put(message, field, kind, wire_type, value)
    return message


def _put(message, field, kind, wire_type, value):
    if not isinstance(kind, list):
        message[field] = _typed(kind, wire_type, value)
        return
    if kind[0] == 'uint' and wire_type == 2:
        values, position = [], 0
        while position < len(value):
            number, position = _read_varint(value, position)
            values.append(_typed('uint', 0, number))
    else:
        values = [_typed(kind[0], wire_type, value)]
    message[field].extend(values)
    if len(message[field]) > REPEATED_MAX:
        raise MalformedError('a field is repeated too often')


def _typed(kind, wire_type, value):
    if wire_type != WIRE_TYPES.get(kind, 2):
        raise MalformedError('a field has another type')
    if kind in ('uint', 'fixed64'):
        if value >= INTEGER_END:
            raise MalformedError('an integer is too great')
        return value
    if kind == 'bool':
        return value != 0
    if kind == 'bytes':
        return value
    if kind == 'text':
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise MalformedError('a text is not UTF-8') from error
    return decode(kind, value)


def _read_value(data, position, wire_type):
    if wire_type == 0:
        return _read_varint(data, position)
    if wire_type == 1:
        length = 8
    elif wire_type == 5:
        length = 4
    elif wire_type == 2:
        length, position = _read_varint(data, position)
    else:
        raise MalformedError('an unknown wire type')
    end = position + length
    if end > len(data):
        raise MalformedError('a message ends early')
    value = bytes(data[position:end])
    return (struct.unpack('<Q', value)[0] if wire_type == 1 else value), end


def _read_varint(data, position):
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise MalformedError('a number is cut or too long')
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
