import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { startTicker, type Ticker } from '@pulsemesh/base';
import { WebSocket } from 'ws';
import type { ConnectionFacts } from '../carrier.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, Http2Exchange, refuse } from './exchange.ts';
import { offersSubprotocol, subprotocol, webSocketCloseMs } from './http1.ts';
import { type LinkEndpoints, webSocketPath } from './link-endpoints.ts';
import { type Refusal, refusals } from './refusal.ts';
import { WebSocketCarrier } from './websocket-carrier.ts';

/** Bytes in flight to us on one connection: with the default 64 KiB a fast sender waits for window updates. */
const connectionWindowBytes = 1024 * 1024;
const streamWindowBytes = 256 * 1024;

interface SessionState {
  openStreams: number;
  idleSinceMs: number;
}

/** HTTP/2 for connections that are handed to it. */
export class Http2Server {
  readonly #context: ServerContext;
  readonly #endpoints: LinkEndpoints;
  readonly #serve: (exchange: Exchange) => void;
  readonly #sessions = new Map<ServerHttp2Session, SessionState>();
  readonly #sweep: Ticker;

  constructor(context: ServerContext, endpoints: LinkEndpoints, serve: (exchange: Exchange) => void) {
    this.#context = context;
    this.#endpoints = endpoints;
    this.#serve = serve;
    const everyMs = Math.max(context.limits.connectionsCheckMs, context.limits.keepAliveMs / 4);
    this.#sweep = startTicker(
      context.clock,
      everyMs,
      () => this.#closeIdle(),
      () => {},
    );
  }

  /** Takes over a connection of which at most unread bytes were put back. */
  take(socket: Duplex, facts: ConnectionFacts): void {
    const { clock, limits, events } = this.#context;
    const session = performServerHandshake(socket, sessionOptions(this.#context));
    const state: SessionState = { openStreams: 0, idleSinceMs: clock.monotonicMs() };
    this.#sessions.set(session, state);
    const settingsTimer = clock.setTimer(() => {
      events.connectionRefused('silent');
      session.destroy();
    }, limits.headersMs);
    session.once('remoteSettings', () => settingsTimer.cancel());
    // A broken peer ends its own session; there is nobody to tell.
    session.on('error', () => {});
    session.on('close', () => {
      settingsTimer.cancel();
      this.#sessions.delete(session);
    });
    session.once('connect', () => session.destroyed || session.setLocalWindowSize(connectionWindowBytes));
    session.on('stream', (stream, headers, flags) => {
      state.openStreams += 1;
      stream.once('close', () => {
        state.openStreams -= 1;
        if (state.openStreams === 0) state.idleSinceMs = clock.monotonicMs();
      });
      this.#onStream(stream, headers, flags, facts);
    });
  }

  /** Tells every client to come with new requests elsewhere; those under way go on. */
  goAway(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  /** Stops its timer and cuts what is left. */
  close(): void {
    this.#sweep.stop();
    for (const session of this.#sessions.keys()) session.destroy();
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, facts: ConnectionFacts): void {
    const exchange = new Http2Exchange(stream, headers, flags, facts);
    // Node tells of a stream a tick after its headers came; a reset may have come with them.
    if (stream.destroyed || stream.closed) return;
    if (exchange.method !== 'CONNECT') return void this.#serve(exchange);
    const connection = this.#endpoints.connectionOf(exchange);
    const refusal = this.#judgeConnect(exchange, connection);
    if (refusal !== null) {
      this.#context.events.requestRefused(refusal.code);
      return void refuse(exchange, refusal);
    }
    stream.respond({ ':status': 200, 'sec-websocket-protocol': subprotocol });
    const webSocket = createServerWebSocket(stream, this.#context.limits.packetBytesMax);
    const id = this.#endpoints.newId();
    const carrier = new WebSocketCarrier(
      webSocket,
      stream,
      { transport: 'websocket-h2', connection, id },
      this.#context,
    );
    this.#context.carriers.open(carrier);
  }

  /** RFC 8441 §5: a WebSocket is a CONNECT with `:protocol`. */
  #judgeConnect(exchange: Http2Exchange, connection: ConnectionFacts): Refusal | null {
    const { headers } = exchange;
    if (headers[':protocol'] !== 'websocket') return refusals.method('GET, POST');
    if (exchange.path !== webSocketPath) return refusals.notFound();
    if (this.#context.judgeOrigin(headers, connection.tls !== 'plaintext').kind === 'denied') return refusals.origin();
    if ((headers['sec-websocket-version'] ?? '13') !== '13') return refusals.handshake();
    const offered = headers['sec-websocket-protocol'];
    if (!offersSubprotocol(offered === undefined ? undefined : String(offered))) return refusals.subprotocol();
    return this.#context.carriers.refusalFor(connection.remoteAddress ?? '');
  }

  #closeIdle(): void {
    const { clock, limits } = this.#context;
    const beforeMs = clock.monotonicMs() - limits.keepAliveMs;
    for (const [session, state] of this.#sessions) {
      if (state.openStreams === 0 && state.idleSinceMs < beforeMs) session.close();
    }
  }
}

function sessionOptions(context: ServerContext) {
  const { limits } = context;
  return {
    maxHeaderListPairs: limits.headersMax,
    streamResetBurst: limits.h2ResetsBurst,
    streamResetRate: limits.h2ResetsPerSecond,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    settings: {
      enableConnectProtocol: true,
      enablePush: false,
      maxConcurrentStreams: limits.h2StreamsMax,
      maxHeaderListSize: limits.headBytesMax,
      initialWindowSize: streamWindowBytes,
    },
  };
}

/** A WebSocket of `ws` in the server's role over a stream on which the handshake is done. Its types know only of clients. */
function createServerWebSocket(stream: ServerHttp2Stream, maxPayload: number): WebSocket {
  const ServerSide = WebSocket as unknown as new (
    address: null,
    protocols: undefined,
    options: { readonly autoPong: boolean; readonly closeTimeout: number; readonly maxPendingAutoPongs: number },
  ) => WebSocket & { setSocket(socket: Duplex, head: Buffer, options: object): void };
  const webSocket = new ServerSide(null, undefined, {
    autoPong: true,
    closeTimeout: webSocketCloseMs,
    maxPendingAutoPongs: 60,
  });
  webSocket.setSocket(stream, Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxPayload,
    maxFragments: 1024,
    maxBufferedChunks: 65_536,
    skipUTF8Validation: false,
  });
  return webSocket;
}
