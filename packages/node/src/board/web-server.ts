import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { errorForLog, errorMessage, type Logger } from '@pulsemesh/base';
import { ConfigError } from '../config/config-error.ts';

/** Answers a web-standard request; `source` is the client's address. */
export type WebHandler = (request: Request, source: string) => Promise<Response>;

export interface WebServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM files; absent: plaintext. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

export interface WebServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
}

/** Limits of every server of this kind. */
export const webServerLimits = {
  connectionsMax: 512,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 30_000,
  headerBytesMax: 16 * 1024,
} as const;

const defaultHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/**
 * Serves HTTP on a port of its own until disposed. What the handler throws becomes a 500 that says nothing.
 * @throws {ConfigError} for certificate files that cannot be read; what the operating system says of host and port.
 */
export async function startWebServer(
  options: WebServerOptions,
  handler: WebHandler,
  dependencies: { readonly logger: Logger },
): Promise<WebServer> {
  const { host, port, tls } = options;
  const scheme = tls === undefined ? 'http' : 'https';
  const server = createWith(tls, (request, response) => {
    void serve(request, response, handler, { scheme, logger: dependencies.logger });
  });
  server.maxConnections = webServerLimits.connectionsMax;
  server.listen(port, host);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port; // listening on TCP
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    port: bound,
    url: `${scheme}://${shownHost}:${bound}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function createWith(tls: WebServerOptions['tls'], listener: RequestListener): Server {
  const { headersMs, requestMs, idleMs, headerBytesMax } = webServerLimits;
  const limits = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    maxHeaderSize: headerBytesMax,
  };
  if (tls === undefined) return createServer(limits, listener);
  const read = (setting: string, file: string) => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new ConfigError(setting, `cannot be read (${errorMessage(error)})`, error);
    }
  };
  const material = { cert: read('board.tls.certFile', tls.certFile), key: read('board.tls.keyFile', tls.keyFile) };
  return createTlsServer({ ...limits, ...material, minVersion: 'TLSv1.2' }, listener);
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: WebHandler,
  { scheme, logger }: { readonly scheme: string; readonly logger: Logger },
): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  try {
    const request = requestOf(incoming, scheme, gone.signal);
    const response =
      request === null
        ? new Response(null, { status: 400 })
        : await handler(request, incoming.socket.remoteAddress ?? 'unknown');
    if (gone.signal.aborted) return void (await response.body?.cancel());
    outgoing.writeHead(response.status, { ...defaultHeaders, ...Object.fromEntries(response.headers) });
    outgoing.end(response.body === null ? undefined : new Uint8Array(await response.arrayBuffer()));
  } catch (error) {
    logger.error('an answer could not be made', errorForLog(error));
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500, defaultHeaders).end();
  }
}

/** Null where the request line or a header makes none. */
function requestOf(incoming: IncomingMessage, scheme: string, signal: AbortSignal): Request | null {
  const { method = 'GET', url = '/' } = incoming;
  try {
    if (!url.startsWith('/')) return null;
    const headers = new Headers();
    for (const [name, values] of Object.entries(incoming.headersDistinct)) {
      for (const value of values ?? []) headers.append(name, value);
    }
    const hasBody = method !== 'GET' && method !== 'HEAD';
    // The name that a client gives the server means nothing here; its own could be another URL's.
    const init: RequestInit & { duplex?: 'half' } = { method, headers, signal };
    if (hasBody) {
      // Node's and the web's streams are typed apart.
      init.body = Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
      init.duplex = 'half';
    }
    return new Request(new URL(`${scheme}://board${url}`), init);
  } catch {
    return null;
  }
}
