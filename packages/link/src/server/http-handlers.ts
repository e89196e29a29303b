import type { Writable } from 'node:stream';
import { errorForLog } from '@pulsemesh/base';
import { readBody } from './body.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, type ResponseHeaders, refuse } from './exchange.ts';
import { type Refusal, refusals } from './refusal.ts';

/** What a handler may know of the connection a request came over. */
export interface HttpRequestInfo {
  /** The client's address, for limits; never for logs. */
  readonly remoteAddress: string;
  /** `h2` or `http/1.1`. */
  readonly http: string;
  /** `TLSv1.3`, `TLSv1.2` or `plaintext`. */
  readonly tls: string;
}

/** Answers a request; its `signal` aborts when the client is gone. What it throws becomes a 500 that says nothing. */
export type HttpHandler = (request: Request, info: HttpRequestInfo) => Promise<Response> | Response;

/** Handlers by path prefix (`/authority/v1`, `/metrics`): a request goes to the longest prefix that ends where a segment of its path does. */
export type HttpHandlers = Readonly<Record<string, HttpHandler>>;

/** Sent with every answer of a handler that does not say otherwise. */
const defaultHeaders: ResponseHeaders = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
};

/** Everything on the port that is not the link: other services' HTTP, behind the same limits. */
export class HttpEndpoints {
  readonly #prefixes: readonly (readonly [string, HttpHandler])[];
  readonly #context: ServerContext;
  #active = 0;

  constructor(handlers: HttpHandlers, context: ServerContext) {
    this.#context = context;
    this.#prefixes = Object.entries(handlers).sort(([one], [other]) => other.length - one.length);
  }

  serve(exchange: Exchange): void {
    const handler = this.#handlerOf(exchange.path);
    const { limits, clock } = this.#context;
    if (handler === undefined) return void this.#refuse(exchange, refusals.notFound());
    if (this.#active >= limits.httpActiveMax)
      return void this.#refuse(exchange, refusals.busy('httpActiveMax', limits.httpActiveMax));
    const request = requestWithoutBody(exchange);
    if (request === null) return void this.#refuse(exchange, refusals.badRequest());
    const gone = new AbortController();
    this.#active += 1;
    exchange.onOver((isSent) => {
      this.#active -= 1;
      if (!isSent) gone.abort();
    });
    const bodyLimits = {
      limitName: 'httpBodyBytesMax',
      bytesMax: limits.httpBodyBytesMax,
      requestMs: limits.requestMs,
    };
    readBody(exchange, bodyLimits, { clock }, (body, refusal) => {
      if (refusal !== null) return this.#refuse(exchange, refusal);
      const whole = body === null || body.length === 0 ? {} : { body: body as Uint8Array<ArrayBuffer> };
      void this.#answer(exchange, handler, { ...request, ...whole }, gone.signal);
    });
  }

  /** Never rejects: what fails is logged and answered. */
  async #answer(exchange: Exchange, handler: HttpHandler, parts: RequestParts, signal: AbortSignal): Promise<void> {
    try {
      const { url, ...init } = parts;
      const response = await handler(new Request(url, { ...init, signal }), this.#infoOf(exchange));
      await send(exchange, response, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#context.events.handlerFailed(errorForLog(error));
      this.#refuse(exchange, refusals.internal());
    }
  }

  #infoOf(exchange: Exchange): HttpRequestInfo {
    const { facts, headers } = exchange;
    const forwarded = headers['x-forwarded-for'];
    const own = facts.remoteAddress ?? '';
    return {
      remoteAddress: this.#context.addresses.clientAddress(
        own,
        forwarded === undefined ? undefined : String(forwarded),
      ),
      http: facts.http ?? 'http/1.1',
      tls: facts.tls ?? 'plaintext',
    };
  }

  #handlerOf(path: string): HttpHandler | undefined {
    const isAt = (prefix: string) => path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
    return this.#prefixes.find(([prefix]) => isAt(prefix))?.[1];
  }

  #refuse(exchange: Exchange, refusal: Refusal): void {
    this.#context.events.requestRefused(refusal.code);
    refuse(exchange, refusal);
  }
}

interface RequestParts {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** Header fields of the connection, not of the request; and cookies, which nothing here uses. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'host',
  'cookie',
  'expect',
]);

/** Null where the parts do not make a request: a method or target that is not of HTTP. */
function requestWithoutBody(exchange: Exchange): RequestParts | null {
  const headers = new Headers();
  try {
    for (const [name, value] of Object.entries(exchange.headers)) {
      if (name.startsWith(':') || dropped.has(name) || value === undefined) continue;
      headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    const authority = exchange.headers[':authority'] ?? exchange.headers.host;
    const scheme = exchange.facts.tls === 'plaintext' ? 'http' : 'https';
    const target = exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`;
    const url = new URL(`${scheme}://${String(authority)}`);
    if (url.pathname !== '/' || url.search !== '' || !target.startsWith('/')) return null;
    // Not `new URL(target, url)`: a target such as //other.example/ would name another host.
    const whole = new URL(`${url.origin}${target}`);
    const { method } = new Request(whole, { method: exchange.method });
    return { url: whole.href, method, headers };
  } catch {
    return null;
  }
}

async function send(exchange: Exchange, response: Response, signal: AbortSignal): Promise<void> {
  const headers: Record<string, string | number> = { ...defaultHeaders };
  for (const [name, value] of response.headers)
    if (name !== 'set-cookie' && name !== 'connection') headers[name] = value;
  if (response.body === null || exchange.method === 'HEAD') {
    await response.body?.cancel();
    return exchange.respond(response.status, headers);
  }
  const out = exchange.open(response.status, headers);
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      if (!out.write(value)) await drained(out, signal);
    }
    out.end();
  } catch (error) {
    // Part of the answer is out: only a cut tells the client that it is not whole.
    exchange.destroy();
    throw error;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Resolves when there is room again, or the client is gone. */
function drained(out: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      out.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    out.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
