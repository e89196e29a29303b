import { Agent, type ClientRequestArgs, type IncomingMessage, request } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { Condition } from '@pulsemesh/base';
import type { Dialer } from '../dialer.ts';

/** Asks over HTTP; the body of the answer is to be read or cancelled. */
export type HttpFetch = (request: Request) => Promise<Response>;

/** `HttpFetch` whose kept connections end with it. */
export interface DialerFetch extends Disposable {
  readonly fetch: HttpFetch;
}

/** Connections kept for the next request, and their end when none comes. */
const keptConnectionsMax = 4;
const keptMs = 30_000;

/** The server could not be reached, or went away before its answer. */
export class HttpFailedError extends Condition {
  override readonly name = 'HttpFailedError';
  constructor(url: string, cause: unknown) {
    super('http-failed', `${new URL(url).host} did not answer`, { retryable: true, cause });
  }
}

/**
 * HTTP/1.1 requests through a dialer, so that whatever the link passes (a proxy, its password, its certificate) plain requests pass
 * too. Redirects are given back as they are.
 * The fetch rejects with the dialer's conditions, {@link HttpFailedError}, or `request.signal.reason`.
 */
export function createDialerFetch(dialer: Dialer): DialerFetch {
  const agents = { 'http:': new DialerAgent(dialer, 'http:'), 'https:': new DialerAgent(dialer, 'https:') };
  return {
    async fetch(asked) {
      asked.signal.throwIfAborted();
      const { protocol } = new URL(asked.url);
      const agent = protocol === 'https:' ? agents['https:'] : agents['http:'];
      const body = asked.body === null ? null : new Uint8Array(await asked.arrayBuffer());
      return await ask(asked, body, agent);
    },
    [Symbol.dispose]() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

function ask(asked: Request, body: Uint8Array | null, agent: DialerAgent): Promise<Response> {
  const { url, method, signal } = asked;
  const headers = Object.fromEntries(asked.headers);
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(url), { method, headers, agent, signal });
    outgoing.once('error', (error) => {
      if (signal.aborted) reject(signal.reason);
      else reject(error instanceof Condition ? error : new HttpFailedError(url, error));
    });
    outgoing.once('response', (answer) => resolve(responseOf(answer)));
    outgoing.end(body ?? undefined);
  });
}

function responseOf(answer: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const status = answer.statusCode ?? 502;
  const isEmpty = [204, 205, 304].includes(status);
  if (isEmpty) answer.resume();
  // Node's and the web's streams are typed apart.
  return new Response(isEmpty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>), { status, headers });
}

class DialerAgent extends Agent {
  readonly #dialer: Dialer;
  /** What node's `request` compares a URL's scheme with. */
  readonly protocol: 'http:' | 'https:';

  constructor(dialer: Dialer, protocol: 'http:' | 'https:') {
    super({ keepAlive: true, maxFreeSockets: keptConnectionsMax, timeout: keptMs });
    this.#dialer = dialer;
    this.protocol = protocol;
  }

  override createConnection(
    options: ClientRequestArgs,
    onConnected: (error: Error | null, socket: Duplex) => void = () => {},
  ): undefined {
    const host = (options.hostname ?? options.host ?? 'localhost').replace(/^\[|\]$/g, '');
    const port = Number(options.port ?? (this.protocol === 'https:' ? 443 : 80));
    const tls = this.protocol === 'https:' ? { tls: { servername: host, alpn: ['http/1.1'] } } : {};
    this.#dialer.connect({ host, port, ...tls }).then(
      ({ socket }) => onConnected(null, socket),
      // Node's types ask for a socket beside an error; node itself does not look at it.
      (error: Error) => onConnected(error, undefined as unknown as Duplex),
    );
  }
}
