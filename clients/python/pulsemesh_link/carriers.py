"""Carriers: what moves packets. A WebSocket (RFC 6455) and long polls, each through a proxy's CONNECT where one is named.

A carrier has `send(packets)` and `close()`; it calls `on_packet(packet)` and, once, `on_closed(error)` from threads of its own.
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
import time
from urllib.parse import unquote, urlsplit

from .errors import LinkError, MalformedError, UnreachableError

PACKET_BYTES_MAX = 256 * 1024
HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 4 * 1024 * 1024
CONNECT_SECONDS = 10
IDLE_SECONDS = 120
POLL_WAIT_MS = 25_000
POLL_WAIT_MS_MIN = 50
WEBSOCKET_GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'  # RFC 6455 §1.3


class Place:
    """Where a server is and how to get there. `url`: http(s)://host:port; `proxy`: http://[user:password@]host:port."""

    def __init__(self, url, ca_file=None, proxy=None):
        self.parts = _checked_url(url, ('http', 'https'))
        self.proxy = None if proxy is None else _checked_url(proxy, ('http',))
        self.is_tls = self.parts.scheme == 'https'
        self.host = self.parts.hostname
        self.port = self.parts.port or (443 if self.is_tls else 80)
        self.authority = self.parts.netloc.rpartition('@')[2]
        #: How long a poll waits; shorter after each that was cut on the way.
        self.poll_wait_ms = POLL_WAIT_MS
        self.context = None
        if self.is_tls:
            self.context = ssl.create_default_context(cafile=ca_file)
            self.context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.context.set_alpn_protocols(['http/1.1'])

    def dial(self):
        """A connected socket; raises UnreachableError."""
        first = self.proxy or self.parts
        try:
            connection = socket.create_connection((first.hostname, first.port or self.port), CONNECT_SECONDS)
        except OSError as error:
            raise UnreachableError(f'{first.hostname} cannot be reached: {error}') from error
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.proxy is not None:
                self._tunnel(connection)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_hostname=self.host)
            connection.settimeout(IDLE_SECONDS)
            return connection
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise UnreachableError(f'{self.host}: {error.verify_message}', 'certificate') from error
        except OSError as error:
            connection.close()
            raise UnreachableError(f'{self.host}: {error}') from error
        except LinkError:
            connection.close()
            raise

    def _tunnel(self, connection):
        host = f'[{self.host}]' if ':' in self.host else self.host
        lines = [f'CONNECT {host}:{self.port} HTTP/1.1', f'Host: {host}:{self.port}']
        if self.proxy.username is not None:
            secret = f'{unquote(self.proxy.username)}:{unquote(self.proxy.password or "")}'
            lines.append('Proxy-Authorization: Basic ' + base64.b64encode(secret.encode()).decode())
        connection.sendall('\r\n'.join([*lines, '', '']).encode())
        # Byte by byte: what follows the head belongs to TLS, which reads from the socket itself.
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            byte = connection.recv(1)
            if byte == b'' or len(head) > HEAD_BYTES_MAX:
                raise UnreachableError('the proxy gave no answer')
            head += byte
        status = _status_of(head)
        if status // 100 != 2:
            raise UnreachableError(f'the proxy answered {status}', 'proxy')


def _checked_url(url, schemes):
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f'not a URL with {" or ".join(schemes)}')
    return parts


class Reader:
    """Reads exact lengths and heads from a socket."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = bytearray()

    def exactly(self, length):
        while len(self.buffer) < length:
            self._more()
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def until(self, mark):
        while mark not in self.buffer:
            if len(self.buffer) > HEAD_BYTES_MAX:
                raise MalformedError('a head is too long')
            self._more()
        return self.exactly(self.buffer.index(mark) + len(mark))

    def _more(self):
        part = self.connection.recv(65_536)
        if part == b'':
            raise UnreachableError('the connection was closed')
        self.buffer += part


def _status_of(head):
    try:
        return int(head.split(b' ', 2)[1])
    except (IndexError, ValueError) as error:
        raise MalformedError('not an answer of HTTP') from error


def _headers_of(head):
    lines = head.decode('latin-1').split('\r\n')[1:]
    pairs = (line.partition(':') for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


class Carrier:
    """What both kinds have in common."""

    def __init__(self, on_packet, on_closed):
        self._on_packet = on_packet
        self._on_closed = on_closed
        self._closing = threading.Lock()
        self.is_closed = False

    def _over(self, error):
        with self._closing:
            if self.is_closed:
                return
            self.is_closed = True
        self._release()
        self._on_closed(self, error)

    def close(self):
        self._over(None)


class WebSocketCarrier(Carrier):
    """GET /link/v1/websocket; a binary message is one packet."""

    name = 'websocket'

    def __init__(self, place, on_packet, on_closed):
        super().__init__(on_packet, on_closed)
        self._connection = place.dial()
        self._reader = Reader(self._connection)
        self._writing = threading.Lock()
        try:
            self._upgrade(place)
        except (OSError, LinkError) as error:
            self._connection.close()
            raise error if isinstance(error, LinkError) else UnreachableError(f'no WebSocket: {error}') from error

    def start(self):
        threading.Thread(target=self._read, daemon=True, name='pulsemesh-websocket').start()

    def _upgrade(self, place):
        key = base64.b64encode(os.urandom(16))
        lines = [
            'GET /link/v1/websocket HTTP/1.1',
            f'Host: {place.authority}',
            'Upgrade: websocket',
            'Connection: Upgrade',
            f'Sec-WebSocket-Key: {key.decode()}',
            'Sec-WebSocket-Version: 13',
            'Sec-WebSocket-Protocol: pulsemesh.link.v1',
        ]
        self._connection.settimeout(CONNECT_SECONDS)
        self._connection.sendall('\r\n'.join([*lines, '', '']).encode())
        head = self._reader.until(b'\r\n\r\n')
        accepted = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        if _status_of(head) != 101 or _headers_of(head).get('sec-websocket-accept') != accepted:
            raise UnreachableError('the Upgrade was not answered by a WebSocket', 'upgrade')
        self._connection.settimeout(IDLE_SECONDS)

    def send(self, packets):
        try:
            data = b''.join(self._frame(0x2, packet) for packet in packets)
            with self._writing:
                self._connection.sendall(data)
        except OSError as error:
            self._over(UnreachableError(f'the WebSocket broke: {error}'))

    @staticmethod
    def _frame(opcode, payload):
        """One masked frame: a client masks (RFC 6455 §5.3)."""
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack('>BB', 0x80 | opcode, 0x80 | length)
        elif length < 65_536:
            head = struct.pack('>BBH', 0x80 | opcode, 0xFE, length)
        else:
            head = struct.pack('>BBQ', 0x80 | opcode, 0xFF, length)
        # XOR of two long integers is far quicker than a loop over bytes.
        repeated = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(payload, 'big') ^ int.from_bytes(repeated, 'big')).to_bytes(length, 'big')
        return head + mask + masked

    def _read(self):
        message = b''
        try:
            while True:
                first, second = self._reader.exactly(2)
                length = second & 0x7F
                if length == 126:
                    (length,) = struct.unpack('>H', self._reader.exactly(2))
                elif length == 127:
                    (length,) = struct.unpack('>Q', self._reader.exactly(8))
                if second & 0x80 or length + len(message) > PACKET_BYTES_MAX:
                    raise MalformedError('a frame is masked or too long')
                payload = self._reader.exactly(length)
                opcode = first & 0x0F
                if opcode == 0x8:
                    raise UnreachableError('the server closed the WebSocket')
                if opcode == 0x9:
                    with self._writing:
                        self._connection.sendall(self._frame(0xA, payload))
                elif opcode in (0x0, 0x2):
                    message += payload
                    if first & 0x80:
                        self._on_packet(self, message)
                        message = b''
                elif opcode != 0xA:
                    raise MalformedError('not a binary message')
        except (OSError, LinkError) as error:
            self._over(error if isinstance(error, LinkError) else UnreachableError(f'the WebSocket broke: {error}'))

    def _release(self):
        _hang_up(self._connection)


class LongPollCarrier(Carrier):
    """POST /link/v1/poll: two connections take turns, so that one waits for packets while the other brings some."""

    name = 'long-poll'

    def __init__(self, place, on_packet, on_closed):
        super().__init__(on_packet, on_closed)
        self._place = place
        self._path = f'/link/v1/poll?c={os.urandom(16).hex()}&wait='
        self._changed = threading.Condition()
        self._packets = []
        self._waiting = 0
        self._connections = [place.dial()]

    def start(self):
        # The second one dials when it is needed first.
        for connection in (self._connections[0], None):
            threading.Thread(target=self._run, args=(connection,), daemon=True, name='pulsemesh-poll').start()

    def send(self, packets):
        with self._changed:
            self._packets.extend(packets)
            self._changed.notify()

    def _run(self, connection):
        reader = Reader(connection)
        try:
            while True:
                packets = self._next_packets()
                if connection is None:
                    connection = self._place.dial()
                    reader = Reader(connection)
                    with self._changed:
                        self._connections.append(connection)
                answer, is_last = self._exchange_or_shorten(connection, reader, packets)
                with self._changed:
                    self._waiting -= 1
                    self._changed.notify()
                    if is_last:
                        self._connections.remove(connection)
                if is_last:
                    _hang_up(connection)
                    connection = None
                for packet in unframe(answer):
                    self._on_packet(self, packet)
        except (OSError, LinkError, ValueError) as error:
            self._over(error if isinstance(error, LinkError) else UnreachableError(f'the poll broke: {error}'))

    def _next_packets(self):
        with self._changed:
            while not self._packets and self._waiting > 0 and not self.is_closed:
                self._changed.wait()
            if self.is_closed:
                raise UnreachableError('closed')
            packets, self._packets = self._packets, []
            self._waiting += 1
            return packets

    def _exchange_or_shorten(self, connection, reader, packets):
        begin = time.monotonic()
        try:
            return self._exchange(connection, reader, packets)
        except (OSError, LinkError):
            # Cut while it waited, and not because this side hung up: the next carrier's polls wait half as long.
            waited_ms = (time.monotonic() - begin) * 1000
            if not self.is_closed and waited_ms < self._place.poll_wait_ms:
                self._place.poll_wait_ms = max(self._place.poll_wait_ms // 2, POLL_WAIT_MS_MIN)
            raise

    def _exchange(self, connection, reader, packets):
        body = b''.join(struct.pack('>BI', 0, len(packet)) + packet for packet in packets)
        lines = [
            f'POST {self._path}{self._place.poll_wait_ms} HTTP/1.1',
            f'Host: {self._place.authority}',
            'Content-Type: application/octet-stream',
            f'Content-Length: {len(body)}',
        ]
        connection.sendall('\r\n'.join([*lines, '', '']).encode() + body)
        head = reader.until(b'\r\n\r\n')
        status, headers = _status_of(head), _headers_of(head)
        answer = _read_body(reader, headers)
        if status != 200:
            raise UnreachableError(f'the poll was answered {status}', 'poll')
        return answer, headers.get('connection', '').lower() == 'close'

    def _release(self):
        with self._changed:
            for connection in self._connections:
                _hang_up(connection)
            self._changed.notify_all()


def _read_body(reader, headers):
    if headers.get('transfer-encoding', '').lower() != 'chunked':
        length = int(headers.get('content-length', '0'))
        if not 0 <= length <= BODY_BYTES_MAX:
            raise MalformedError('an answer is too long')
        return reader.exactly(length)
    body = b''
    while True:
        length = int(reader.until(b'\r\n').split(b';')[0], 16)
        if length + len(body) > BODY_BYTES_MAX:
            raise MalformedError('an answer is too long')
        body += reader.exactly(length)
        reader.until(b'\r\n')
        if length == 0:
            return body


def unframe(body):
    """The packets of a sequence of framed ones."""
    packets, position = [], 0
    while position < len(body):
        if position + 5 > len(body):
            raise MalformedError('a frame is cut')
        kind, length = struct.unpack_from('>BI', body, position)
        position += 5
        if kind != 0 or length > PACKET_BYTES_MAX or position + length > len(body):
            raise MalformedError('a frame is compressed, too long or cut')
        packets.append(body[position:position + length])
        position += length
    return packets


def _hang_up(connection):
    try:
        # Closing alone would not wake a thread that reads.
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


CARRIERS = {'websocket': WebSocketCarrier, 'long-poll': LongPollCarrier}
