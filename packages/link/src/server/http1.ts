import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorCode } from '@pulsemesh/base';
import { WebSocketServer } from 'ws';
import type { ConnectionFacts } from '../carrier.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, Http1Exchange, refuse } from './exchange.ts';
import { type LinkEndpoints, webSocketPath } from './link-endpoints.ts';
import { type Refusal, refusalBody, refusals } from './refusal.ts';
import { WebSocketCarrier } from './websocket-carrier.ts';

/** The subprotocol of the link's WebSocket. */
export const subprotocol = 'pulsemesh.link.v1';

/** How long the other end of a WebSocket may take to answer a close frame. */
export const webSocketCloseMs = 2_000;

/** HTTP/1.1 for connections that are handed to it. */
export class Http1Server {
  readonly #context: ServerContext;
  readonly #endpoints: LinkEndpoints;
  readonly #serve: (exchange: Exchange) => void;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #facts = new WeakMap<Duplex, ConnectionFacts>();

  constructor(context: ServerContext, endpoints: LinkEndpoints, serve: (exchange: Exchange) => void) {
    this.#context = context;
    this.#endpoints = endpoints;
    this.#serve = serve;
    this.#server = createHttp1(context);
    this.#webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: context.limits.packetBytesMax,
      closeTimeout: webSocketCloseMs,
      handleProtocols: () => subprotocol,
    } as object);
    this.#webSockets.on('wsClientError', (_error, socket) => this.#refuseRaw(socket, refusals.handshake()));
    this.#listen();
  }

  /** Takes over a connection of which at most unread bytes were put back. */
  take(socket: Duplex, facts: ConnectionFacts): void {
    this.#facts.set(socket, facts);
    this.#server.emit('connection', socket);
  }

  /** Stops its timers and cuts what is left. */
  close(): void {
    this.#server.close(() => {});
    this.#server.closeAllConnections();
  }

  #listen(): void {
    const server = this.#server;
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('checkContinue', (request, response) => {
      // A body over the largest limit is not worth asking for.
      if (Number(request.headers['content-length'] ?? 0) <= this.#context.limits.probeBodyBytesMax)
        response.writeContinue();
      this.#onRequest(request, response);
    });
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
    server.on('connect', (_request, socket) => this.#refuseRaw(socket, refusals.method('GET, POST')));
    server.on('clientError', (error, socket) => this.#refuseRaw(socket, this.#refusalOf(error)));
    // Looking for slow connections begins with this event; the sockets come from another listener.
    server.emit('listening');
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const facts = this.#facts.get(request.socket);
    if (facts === undefined) return void request.socket.destroy();
    const exchange = new Http1Exchange(request, response, facts);
    const refusal = this.#judgeHead(request);
    if (refusal === null) return void this.#serve(exchange);
    this.#context.events.requestRefused(refusal.code);
    refuse(exchange, refusal, { connection: 'close' });
  }

  /** What Node's parser would let pass: too many fields (it drops the rest), no Host or two. */
  #judgeHead(request: IncomingMessage): Refusal | null {
    const { rawHeaders } = request;
    const { headersMax } = this.#context.limits;
    if (rawHeaders.length > headersMax * 2) return refusals.headTooLarge('headersMax', headersMax);
    let hosts = 0;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] as string;
      if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    }
    return hosts === 1 ? null : refusals.badRequest();
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const facts = this.#facts.get(socket);
    if (facts === undefined) return void socket.destroy();
    socket.on('error', () => socket.destroy());
    const connection = this.#endpoints.connectionOf({ facts, headers: request.headers });
    const refusal = this.#judgeHead(request) ?? this.#judgeUpgrade(request, connection);
    if (refusal !== null) return void this.#refuseRaw(socket, refusal);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const id = this.#endpoints.newId();
      const carrier = new WebSocketCarrier(
        webSocket,
        socket,
        { transport: 'websocket', connection, id },
        this.#context,
      );
      this.#context.carriers.open(carrier);
    });
  }

  #judgeUpgrade(request: IncomingMessage, connection: ConnectionFacts): Refusal | null {
    if ((request.url ?? '').split('?', 1)[0] !== webSocketPath) return refusals.notFound();
    const isTls = connection.tls !== 'plaintext';
    if (this.#context.judgeOrigin(request.headers, isTls).kind === 'denied') return refusals.origin();
    if (!offersSubprotocol(request.headers['sec-websocket-protocol'])) return refusals.subprotocol();
    return this.#context.carriers.refusalFor(connection.remoteAddress ?? '');
  }

  #refusalOf(error: Error): Refusal {
    const { limits } = this.#context;
    switch (errorCode(error)) {
      case 'HPE_HEADER_OVERFLOW':
        return refusals.headTooLarge('headBytesMax', limits.headBytesMax);
      case 'ERR_HTTP_REQUEST_TIMEOUT':
        return refusals.slow('headersMs or requestMs', limits.headersMs);
      default:
        return refusals.badRequest();
    }
  }

  #refuseRaw(socket: Duplex, refusal: Refusal): void {
    this.#context.events.requestRefused(refusal.code);
    refuseRaw(socket, refusal);
  }
}

function createHttp1(context: ServerContext): Server {
  const { limits } = context;
  const server = createServer({
    headersTimeout: Math.min(limits.headersMs, limits.requestMs),
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.connectionsCheckMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.headBytesMax,
    insecureHTTPParser: false,
    requireHostHeader: false,
    rejectNonStandardBodyWrites: true,
    // Anything else that asks for an upgrade (h2c, a box) is served as what it is, an HTTP/1.1 request.
    shouldUpgradeCallback: (request) => (request.headers.upgrade ?? '').toLowerCase() === 'websocket',
  });
  server.timeout = 0;
  // One more than the limit, so that a head over it is seen and refused instead of cut.
  server.maxHeadersCount = limits.headersMax + 1;
  return server;
}

/** True where a client offers the link's subprotocol. */
export function offersSubprotocol(header: string | undefined): boolean {
  return (header ?? '').split(',').some((offer) => offer.trim() === subprotocol);
}

/** Refuses on a connection that has no answer to write to, and closes it. */
export function refuseRaw(socket: Duplex, refusal: Refusal): void {
  if (socket.destroyed || !socket.writable) return void socket.destroy();
  const body = refusalBody(refusal);
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    'connection: close',
    ...Object.entries(refusal.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ].join('\r\n');
  socket.once('finish', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]));
}
