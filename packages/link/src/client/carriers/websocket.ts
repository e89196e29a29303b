import type { ClientHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Random } from '@pulsemesh/base';
import WebSocket from 'ws';
import type { Carrier, ConnectionFacts, TransportName } from '../../carrier.ts';
import type { Dialer } from '../../dialer.ts';
import { framedPacketBytesMax } from '../../framing.ts';
import { maskedMessage, takePayloads } from '../../websocket-frames.ts';
import { writePieces } from '../../write-pieces.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { BaseCarrier, bufferedBytesMax, packetBytesMaxDefault } from './base-carrier.ts';
import { type ConnectRequest, pathUnder } from './connect.ts';
import { dialTargetOf } from './dial.ts';
import { parseRetryAfter } from './http-exchange.ts';
import { closeHttp2, openHttp2, settled } from './http2-session.ts';

export const websocketProtocol = 'pulsemesh.link.v1';

const receiverOptions = { maxPayload: framedPacketBytesMax, perMessageDeflate: false } as const;

export interface WebSocketDependencies {
  readonly dialer: Dialer;
  /** Draws the masks (RFC 6455 §5.3). */
  readonly random: Random;
}

/**
 * Opens a carrier over a WebSocket by Upgrade (RFC 6455) on a connection of the dialer.
 * @throws {CarrierError} with the status where the Upgrade was refused; what the dialer throws; `signal.reason`.
 */
export async function connectWebSocket(request: ConnectRequest, deps: WebSocketDependencies): Promise<Carrier> {
  const { signal } = request;
  const { socket, facts } = await deps.dialer.connect({ ...dialTargetOf(request.url, ['http/1.1']), signal });
  socket.setNoDelay(true);
  const url = new URL(pathUnder(request.url, '/link/v1/websocket'), request.url);
  // The connection stands already, TLS and all: to ws it is a plain one.
  url.protocol = 'ws:';
  const websocket = new WebSocket(url, websocketProtocol, {
    ...receiverOptions,
    createConnection: () => socket,
    headers: { host: request.url.host },
  });
  try {
    await opened(websocket, signal);
  } catch (error) {
    websocket.terminate();
    socket.destroy();
    throw error;
  }
  return new WebSocketCarrier({
    request,
    transport: 'websocket',
    websocket,
    stream: socket,
    facts: { ...facts, http: 'http/1.1' },
    random: deps.random,
  });
}

function opened(websocket: WebSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (done: () => void) => {
      signal.removeEventListener('abort', onAbort);
      done();
    };
    websocket.once('open', () => settle(resolve));
    websocket.once('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const retryAfterMs = parseRetryAfter(response.headers['retry-after']) ?? undefined;
      const text = `the Upgrade to WebSocket is answered with HTTP status ${status}: a proxy strips or forbids it`;
      settle(() => reject(new CarrierError('upgrade-refused', text, { facts: { status, retryAfterMs } })));
    });
    websocket.on('error', (error) => settle(() => reject(asCarrierError(error))));
  });
}

/**
 * Opens a carrier over a WebSocket inside HTTP/2 (RFC 8441).
 * @throws {CarrierError} `no-h2` where ALPN gives something else or the other end has no extended CONNECT; as above.
 */
export async function connectWebSocketH2(request: ConnectRequest, deps: WebSocketDependencies): Promise<Carrier> {
  const { session, facts } = await openHttp2(request, deps.dialer);
  try {
    await settled(session, request.signal);
    if (!session.remoteSettings.enableConnectProtocol) {
      throw new CarrierError('no-h2', 'what answers in HTTP/2 has no WebSocket in it (RFC 8441)');
    }
    const stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': pathUnder(request.url, '/link/v1/websocket'),
        'sec-websocket-version': '13',
        'sec-websocket-protocol': websocketProtocol,
      },
      { endStream: false },
    );
    await accepted(stream, request.signal);
    const websocket = overStream(stream);
    const carrier = new WebSocketCarrier({
      request,
      transport: 'websocket-h2',
      websocket,
      stream,
      facts,
      random: deps.random,
    });
    session.once('close', () => carrier.close(new CarrierError('cut', 'the connection was closed')));
    session.on('error', (error) => carrier.close(asCarrierError(error)));
    carrier.onRelease(() => closeHttp2(session));
    return carrier;
  } catch (error) {
    closeHttp2(session);
    throw error;
  }
}

function accepted(stream: ClientHttp2Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.once('response', (headers) => {
      signal.removeEventListener('abort', onAbort);
      const status = Number(headers[':status']);
      if (status === 200) resolve();
      else
        reject(
          new CarrierError('upgrade-refused', `a WebSocket over HTTP/2 is answered with ${status}`, {
            facts: { status },
          }),
        );
    });
    stream.on('error', (error) => reject(asCarrierError(error)));
    stream.once('close', () => reject(new CarrierError('cut', 'the stream was closed while it was opened')));
  });
}

// What ws does itself after an Upgrade; it has no public way to begin on a stream that is already a WebSocket.
interface StreamTaker {
  /** Without an address ws takes itself for the server's end, which does not mask. */
  _isServer: boolean;
  setSocket(stream: Duplex, head: Buffer, options: typeof receiverOptions & { allowSynchronousEvents: boolean }): void;
}

function overStream(stream: Duplex): WebSocket {
  const websocket = new WebSocket(null as unknown as string, undefined, receiverOptions);
  const taker = websocket as unknown as StreamTaker;
  taker._isServer = false;
  taker.setSocket(stream, Buffer.alloc(0), { ...receiverOptions, allowSynchronousEvents: true });
  return websocket;
}

interface WebSocketParts {
  readonly request: ConnectRequest;
  readonly transport: TransportName;
  readonly websocket: WebSocket;
  /** What the WebSocket writes to; says when it is full and drained. */
  readonly stream: Duplex;
  readonly facts: ConnectionFacts;
  readonly random: Random;
}

class WebSocketCarrier extends BaseCarrier {
  readonly transport: TransportName;
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #websocket: WebSocket;
  readonly #stream: Duplex;
  readonly #random: Random;
  #onRelease: () => void = () => {};

  constructor(parts: WebSocketParts) {
    super(parts.request.id);
    this.transport = parts.transport;
    this.connection = parts.facts;
    this.packetBytesMax = parts.request.packetBytesMax ?? packetBytesMaxDefault;
    this.#websocket = parts.websocket;
    this.#stream = parts.stream;
    this.#random = parts.random;
    takePayloads(parts.websocket);
    parts.websocket.on('message', (data, isBinary) => {
      if (isBinary)
        this.deliver(data as Buffer); // binaryType is nodebuffer, the default
      else this.close(new CarrierError('protocol', 'what came over the WebSocket is not a packet'));
    });
    parts.websocket.on('close', (closeCode) => {
      this.close(new CarrierError('cut', `the WebSocket was closed (${closeCode})`, { facts: { closeCode } }));
    });
    parts.websocket.on('error', (error) => this.close(asCarrierError(error)));
    parts.stream.on('drain', () => this.tellWritable());
  }

  /** What else to close with the carrier. */
  onRelease(action: () => void): void {
    this.#onRelease = action;
  }

  protected override hasRoom(): boolean {
    return this.#stream.writableLength < bufferedBytesMax && !this.#stream.writableNeedDrain;
  }

  protected override transmit(packet: Uint8Array): void {
    // Masked here and written at once: `ws` masks byte by byte, and writes the header apart.
    if (this.#websocket.readyState === WebSocket.OPEN) {
      writePieces(this.#stream, [maskedMessage(packet, this.#random.bytes(4))], this.transport === 'websocket');
    }
  }

  protected override release(): void {
    if (this.#websocket.readyState === WebSocket.OPEN && !this.#stream.destroyed) this.#websocket.close(1000);
    // The other end has what was written; its answer to the close is not waited for.
    this.#stream.end(() => this.#stream.destroy());
    this.#websocket.on('error', () => {});
    this.#onRelease();
  }
}
