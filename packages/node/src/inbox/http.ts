import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, startTicker } from '@pulsemesh/base';
import type { MessageStore } from './message-store.ts';
import { renderList, renderMessage, renderNotFound, script, style } from './page.ts';

export interface InboxHttpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface InboxHttp extends AsyncDisposable {
  readonly port: number;
  /** Tells the open pages that a mail came. */
  announce(): void;
}

/** Pages that are told of new mails at once; further ones work without. */
export const followersMax = 50;
const keepAliveMs = 15_000;

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; " +
    'sandbox allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** The inbox' page and `/messages.json`, for this machine only: another name in the Host header is refused. */
export async function startInboxHttp(
  options: InboxHttpOptions,
  deps: { readonly store: MessageStore; readonly clock: Clock },
): Promise<InboxHttp> {
  const followers = new Set<ServerResponse>();
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 5000, maxHeaderSize: 8192 },
    (request, response) => answer(request, response, deps.store, followers),
  );
  server.maxConnections = 200;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // listening on a TCP port
  const send = (text: string) => {
    for (const follower of followers) follower.write(text);
  };
  // Proxies and browsers drop a silent stream, and a write finds out who is gone.
  const ticker = startTicker(
    deps.clock,
    keepAliveMs,
    () => send(': still here\n\n'),
    () => {},
  );
  return {
    port,
    announce: () => send('event: mail\ndata: {}\n\n'),
    async [Symbol.asyncDispose]() {
      ticker.stop();
      for (const follower of followers) follower.end();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  store: MessageStore,
  followers: Set<ServerResponse>,
): void {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  if (!isThisMachine(request.headers.host)) reply(response, 421, text('Unknown host name.\n'));
  else if (request.method !== 'GET' && request.method !== 'HEAD')
    reply(response, 405, text('Only reading is possible.\n'));
  else if (path === '/events') follow(response, followers);
  else {
    const page = pageOf(path, store);
    if (page === null) reply(response, 404, { type: 'text/html', body: renderNotFound() });
    else reply(response, 200, page);
  }
}

interface Page {
  readonly type: string;
  readonly body: string;
}

function text(body: string): Page {
  return { type: 'text/plain', body };
}

function pageOf(path: string, store: MessageStore): Page | null {
  switch (path) {
    case '/':
      return { type: 'text/html', body: renderList(store.list()) };
    case '/style.css':
      return { type: 'text/css', body: style };
    case '/app.js':
      return { type: 'text/javascript', body: script };
    case '/messages.json':
      return { type: 'application/json', body: JSON.stringify({ messages: store.list() }) };
    default: {
      const message = path.startsWith('/messages/') ? store.get(path.slice('/messages/'.length)) : undefined;
      return message === undefined ? null : { type: 'text/html', body: renderMessage(message) };
    }
  }
}

function reply(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, { ...headers, 'content-type': `${page.type}; charset=utf-8` });
  response.end(page.body);
}

function follow(response: ServerResponse, followers: Set<ServerResponse>): void {
  // 204 tells a browser's EventSource to stop asking.
  if (followers.size >= followersMax) {
    reply(response, 204, text(''));
    return;
  }
  response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
  response.write('retry: 2000\n\n');
  followers.add(response);
  response.on('close', () => followers.delete(response));
}

/** A page elsewhere whose name points here (DNS rebinding) sends its own name. */
function isThisMachine(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}
