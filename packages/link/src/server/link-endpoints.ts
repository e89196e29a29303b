import { errorCode } from '@pulsemesh/base';
import type { ConnectionFacts } from '../carrier.ts';
import { FrameReader } from '../framing.ts';
import { isCompressed, readBody, readPackets } from './body.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, Http2Exchange, type ResponseHeaders, refuse } from './exchange.ts';
import { grpcPath, serveGrpc } from './grpc-carrier.ts';
import { corsHeaders, preflightHeaders } from './origins.ts';
import { PollCarrier } from './poll-carrier.ts';
import { probePaths, serveProbe } from './probe.ts';
import { type Refusal, refusals } from './refusal.ts';
import { type JoinedCarrier, StreamCarrier } from './stream-carrier.ts';

/** Everything of the link lies under this path, but for gRPC's. */
export const linkPrefix = '/link/v1/';

const sendPath = `${linkPrefix}send`;

/** The path of the WebSocket. */
export const webSocketPath = `${linkPrefix}websocket`;

/** The requests of one link: polls, streams, what agents send upward, gRPC calls and probes. */
export class LinkEndpoints {
  readonly #context: ServerContext;
  /** Carriers that several requests take part in, by id. As many as the register admits. */
  readonly #joined = new Map<string, PollCarrier | StreamCarrier>();

  constructor(context: ServerContext) {
    this.#context = context;
  }

  /** True where `path` is the link's and {@link serve} answers. */
  owns(path: string): boolean {
    return path.startsWith(linkPrefix) || path === grpcPath;
  }

  serve(exchange: Exchange): void {
    const { path, headers, facts } = exchange;
    const origin = this.#context.judgeOrigin(headers, facts.tls !== 'plaintext');
    if (origin.kind === 'denied') return void this.#refuse(exchange, refusals.origin());
    const cors = corsHeaders(origin);
    if (exchange.method === 'OPTIONS') return void exchange.respond(204, preflightHeaders(origin));
    if (path === grpcPath) return void this.#serveGrpc(exchange);
    if (probePaths.has(path)) return void serveProbe(exchange, cors, this.#context);
    const serve = this.#served.get(path);
    if (serve === undefined) return void this.#refuse(exchange, refusals.notFound(), cors);
    if (exchange.method !== 'POST') return void this.#refuse(exchange, refusals.method('POST'), cors);
    const query = parseCarrierQuery(exchange.query, this.#context.limits.pollWaitMsMax);
    if ('status' in query) return void this.#refuse(exchange, query, cors);
    if (query.isUpload && path === sendPath) return void this.#upload(exchange, query, cors);
    const { limits, clock } = this.#context;
    const bodyLimits = { limitName: 'bodyBytesMax', bytesMax: limits.bodyBytesMax, requestMs: limits.requestMs };
    readBody(exchange, bodyLimits, { clock }, (body, refusal) => {
      if (refusal !== null) this.#refuse(exchange, refusal, cors);
      else if (body !== null) serve(exchange, query, body, cors);
    });
  }

  /** Answers every waiting poll at once. */
  releasePolls(): void {
    for (const carrier of this.#joined.values()) if (carrier instanceof PollCarrier) carrier.release();
  }

  readonly #served = new Map([
    [`${linkPrefix}poll`, this.#poll.bind(this)],
    [`${linkPrefix}stream`, this.#stream.bind(this)],
    [sendPath, this.#send.bind(this)],
  ]);

  #poll(exchange: Exchange, query: CarrierQuery, body: Uint8Array, cors: ResponseHeaders): void {
    let carrier = this.#joined.get(query.id);
    if (carrier === undefined) {
      const connection = this.#admit(exchange, cors);
      if (connection === null) return;
      const transport = query.waitMs === 0 ? 'short-poll' : 'long-poll';
      carrier = new PollCarrier({ transport, id: query.id, connection }, this.#context, () =>
        this.#joined.delete(query.id),
      );
      this.#joined.set(query.id, carrier);
      this.#context.carriers.open(carrier);
    }
    if (!(carrier instanceof PollCarrier)) return void this.#refuse(exchange, refusals.carrierTaken(), cors);
    const holdMs = Math.max(query.waitMs, this.#context.limits.shortPollHoldMs);
    carrier.attach(exchange, cors, holdMs);
    this.#deliver(carrier, body);
  }

  #stream(exchange: Exchange, query: CarrierQuery, body: Uint8Array, cors: ResponseHeaders): void {
    let carrier = this.#joined.get(query.id);
    const transport = query.isSse ? 'sse' : 'stream';
    if (carrier === undefined) {
      const connection = this.#admit(exchange, cors);
      if (connection === null) return;
      carrier = new StreamCarrier({ transport, id: query.id, connection }, this.#context, () =>
        this.#joined.delete(query.id),
      );
      this.#joined.set(query.id, carrier);
      this.#context.carriers.open(carrier);
    }
    if (!(carrier instanceof StreamCarrier) || carrier.transport !== transport) {
      return void this.#refuse(exchange, refusals.carrierTaken(), cors);
    }
    carrier.attach(exchange, cors);
    this.#deliver(carrier, body);
  }

  #send(exchange: Exchange, query: CarrierQuery, body: Uint8Array, cors: ResponseHeaders): void {
    const carrier = this.#joined.get(query.id);
    if (carrier === undefined) return void this.#refuse(exchange, refusals.unknownCarrier(), cors);
    if (!this.#deliver(carrier, body)) this.#refuse(exchange, refusals.malformed(), cors);
    else exchange.respond(204, cors);
  }

  /** A body that goes on: its packets are handed on as they come. */
  #upload(exchange: Exchange, query: CarrierQuery, cors: ResponseHeaders): void {
    const carrier = this.#joined.get(query.id);
    if (carrier === undefined) return void this.#refuse(exchange, refusals.unknownCarrier(), cors);
    if (!(carrier instanceof StreamCarrier)) return void this.#refuse(exchange, refusals.carrierTaken(), cors);
    if (isCompressed(exchange)) return void this.#refuse(exchange, refusals.compressed(), cors);
    const { limits, clock } = this.#context;
    let isFirst = true;
    readPackets(
      exchange,
      limits,
      { clock },
      {
        onPacket: (packet) => {
          // Answered once: an empty packet for an empty packet is no way to keep a server busy.
          if (packet.length > 0) carrier.deliver(packet);
          else if (isFirst) carrier.answerKnock();
          isFirst = false;
        },
        onDone: (refusal) => {
          if (refusal === null) exchange.respond(204, cors);
          else this.#refuse(exchange, refusal, cors);
        },
      },
    );
  }

  /** Hands on the packets of a body; a broken one ends there, what came before it counts. */
  #deliver(carrier: JoinedCarrier, body: Uint8Array): boolean {
    if (body.length === 0) return true;
    const reader = new FrameReader({ packetBytesMax: this.#context.limits.packetBytesMax });
    try {
      reader.push(body, (packet) => carrier.deliver(packet));
    } catch (error) {
      // Only the framing is judged here; what a handler throws is a bug and not ours to hide.
      if (errorCode(error) !== 'decode') throw error;
      return false;
    }
    return reader.isAtBoundary;
  }

  #serveGrpc(exchange: Exchange): void {
    if (!(exchange instanceof Http2Exchange)) return void this.#refuse(exchange, refusals.grpcOnHttp1());
    if (exchange.method !== 'POST') return void this.#refuse(exchange, refusals.method('POST'));
    serveGrpc(exchange, this.connectionOf(exchange), this.newId(), this.#context);
  }

  #admit(exchange: Exchange, cors: ResponseHeaders): ConnectionFacts | null {
    const connection = this.connectionOf(exchange);
    const refusal = this.#context.carriers.refusalFor(connection.remoteAddress ?? '');
    if (refusal === null) return connection;
    this.#refuse(exchange, refusal, cors);
    return null;
  }

  /** The facts of the connection, its address being the client's where a trusted proxy tells. */
  connectionOf(exchange: Pick<Exchange, 'facts' | 'headers'>): ConnectionFacts {
    const { facts, headers } = exchange;
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined) return facts;
    const own = facts.remoteAddress ?? '';
    const remoteAddress = this.#context.addresses.clientAddress(own, String(forwarded));
    return remoteAddress === own ? facts : { ...facts, remoteAddress };
  }

  /** A new carrier id, for transports where the agent does not give one. */
  newId(): string {
    return Buffer.from(this.#context.random.bytes(16)).toString('hex');
  }

  #refuse(exchange: Exchange, refusal: Refusal, cors: ResponseHeaders = {}): void {
    this.#context.events.requestRefused(refusal.code);
    refuse(exchange, refusal, cors);
  }
}

interface CarrierQuery {
  readonly id: string;
  readonly waitMs: number;
  readonly isSse: boolean;
  readonly isUpload: boolean;
}

const idForm = /^[0-9a-f]{32}$/;

/** `c`, `wait` and `as` of a query; other parameters are ignored. */
export function parseCarrierQuery(query: string, waitMsMax: number): CarrierQuery | Refusal {
  let id = '';
  let waitMs = 0;
  let as = '';
  // A query has a few parameters; more than these are not looked at.
  for (const part of query.split('&', 8)) {
    if (part.startsWith('c=')) id = part.slice(2);
    else if (part.startsWith('wait=')) waitMs = /^wait=\d{1,5}$/.test(part) ? Number(part.slice(5)) : -1;
    else if (part.startsWith('as=')) as = part.slice(3);
  }
  if (!idForm.test(id)) return refusals.carrierId();
  if (waitMs < 0 || waitMs > waitMsMax) return refusals.query('wait', `milliseconds, 0 to ${waitMsMax}`);
  return { id, waitMs, isSse: as === 'sse', isUpload: as === 'upload' };
}
