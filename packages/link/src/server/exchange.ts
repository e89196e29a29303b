import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { ConnectionFacts } from '../carrier.ts';
import { type Refusal, refusalBody } from './refusal.ts';

export type ResponseHeaders = Readonly<Record<string, string | number>>;

/** One request and its answer, the same over HTTP/1.1 and HTTP/2. Neither class goes through Node's compatibility layer. */
export interface Exchange {
  readonly method: string;
  /** Without the query, not decoded. */
  readonly path: string;
  /** What stands after `?`; empty where nothing does. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly facts: ConnectionFacts;
  /** The body, to be read once. */
  readonly body: Readable;
  /** True where the request is known to have no body. */
  readonly isBodyless: boolean;
  /** Answers and ends. Ignored when the answer was begun, or the other end is gone. */
  respond(status: number, headers: ResponseHeaders, body?: Uint8Array): void;
  /** Begins an answer that goes on. The caller ends it. */
  open(status: number, headers: ResponseHeaders): Writable;
  /** Cuts the exchange without an answer, or in the middle of one. */
  destroy(): void;
  /** Called once when the exchange is over. `isSent`: the whole answer was handed to the connection. */
  onOver(handler: (isSent: boolean) => void): void;
}

/** Headers every answer carries that a browser could see. No cookie is ever set or read. */
export const safetyHeaders = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store, no-transform',
} as const;

/** Answers with a refusal. */
export function refuse(exchange: Exchange, refusal: Refusal, headers: ResponseHeaders = {}): void {
  const body = refusalBody(refusal);
  exchange.respond(
    refusal.status,
    {
      'content-type': 'application/json',
      'content-length': body.length,
      ...safetyHeaders,
      ...refusal.headers,
      ...headers,
    },
    body,
  );
}

/** Cuts a request target at its question mark. */
function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

export class Http1Exchange implements Exchange {
  readonly path: string;
  readonly query: string;
  readonly facts: ConnectionFacts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #isOver = false;

  constructor(request: IncomingMessage, response: ServerResponse, facts: ConnectionFacts) {
    this.#request = request;
    this.#response = response;
    this.facts = facts;
    const { path, query } = splitTarget(request.url ?? '/');
    this.path = path;
    this.query = query;
    response.sendDate = false;
    // A write to a connection that is gone is reported here; 'close' follows and says what matters.
    response.on('error', () => {});
    response.once('close', () => {
      this.#isOver = true;
    });
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get body(): Readable {
    return this.#request;
  }

  get isBodyless(): boolean {
    const { headers } = this.#request;
    return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
  }

  respond(status: number, headers: ResponseHeaders, body?: Uint8Array): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#response.writeHead(status, headers as Record<string, string | number>);
    this.#response.end(body);
  }

  open(status: number, headers: ResponseHeaders): Writable {
    this.#response.writeHead(status, headers as Record<string, string | number>);
    this.#response.flushHeaders();
    return this.#response;
  }

  destroy(): void {
    this.#request.socket.destroy();
  }

  onOver(handler: (isSent: boolean) => void): void {
    if (this.#isOver) process.nextTick(handler, false);
    else this.#response.once('close', () => handler(this.#response.writableFinished));
  }
}

export class Http2Exchange implements Exchange {
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly facts: ConnectionFacts;
  readonly isBodyless: boolean;
  readonly stream: ServerHttp2Stream;
  #isOver = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, facts: ConnectionFacts) {
    this.stream = stream;
    this.headers = headers;
    this.facts = facts;
    this.isBodyless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const { path, query } = splitTarget(String(headers[':path'] ?? '/'));
    this.path = path;
    this.query = query;
    // A stream the client resets reports it here; 'close' follows and says what matters.
    stream.on('error', () => {});
    stream.once('close', () => {
      this.#isOver = true;
    });
  }

  get method(): string {
    return String(this.headers[':method']);
  }

  get body(): Readable {
    return this.stream;
  }

  respond(status: number, headers: ResponseHeaders, body?: Uint8Array): void {
    const { stream } = this;
    if (stream.headersSent || stream.destroyed || stream.closed) return;
    stream.respond({ ':status': status, ...headers }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    // Without this a body nobody reads would keep the stream open after its answer.
    if (!stream.readableEnded) stream.resume();
  }

  open(status: number, headers: ResponseHeaders): Writable {
    // Reset since its request was read: what is said to it goes nowhere, and `onOver` tells.
    if (this.stream.destroyed || this.stream.closed) return new PassThrough().resume();
    this.stream.respond({ ':status': status, ...headers });
    return this.stream;
  }

  destroy(): void {
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  onOver(handler: (isSent: boolean) => void): void {
    const { stream } = this;
    if (this.#isOver) process.nextTick(handler, false);
    else stream.once('close', () => handler(stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR));
  }
}
