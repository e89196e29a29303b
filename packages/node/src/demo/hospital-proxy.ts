import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { request as requestOverTls } from 'node:https';
import { type AddressInfo, isIP, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface HospitalProxyOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The servers it connects to; whoever asks for another is answered 403. */
  readonly targets: readonly ProxyTarget[];
  /** What it shows instead of the target's certificate, PEM. Its clients must trust whoever signed that. */
  readonly certificate: { readonly cert: string; readonly key: string };
}

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
  /** Who signed its certificate, PEM. */
  readonly ca: string;
}

/** A proxy that is up; disposing it cuts every connection. */
export interface HospitalProxy extends AsyncDisposable {
  readonly port: number;
}

/** Connections at once; more are closed. */
const connectionsMax = 256;

// Of one hop only (RFC 9110 §7.6.1), and what makes a WebSocket.
const droppedHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
]);

/**
 * The kind of proxy that stands in many hospitals, for the demo: everything goes through CONNECT, TLS is opened with a certificate of
 * its own, and only plain requests of HTTP/1.1 come out at the other side: no HTTP/2, no Upgrade.
 */
export async function startHospitalProxy(options: HospitalProxyOptions): Promise<HospitalProxy> {
  const sockets = new Set<Socket>();
  const targets = new WeakMap<Socket, ProxyTarget>();
  const secureContext = createSecureContext(options.certificate);
  const inside = createServer((request, response) => {
    const target = targets.get(request.socket);
    if (target === undefined) response.writeHead(502).end();
    else forward(request, response, target);
  });
  // Without a listener node would close the connection; a stripped Upgrade is an ordinary request.
  inside.on('upgrade', (_request, socket: Socket) =>
    socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n'),
  );
  inside.requestTimeout = 0; // answers of a long poll take their time
  const outside = createServer((_request, response) => void response.writeHead(405).end());
  outside.maxConnections = connectionsMax;
  outside.on('connect', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy());
    const target = options.targets.find(({ host, port }) => request.url === `${host}:${port}`);
    if (target === undefined) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    const opened = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
    opened.on('error', () => socket.destroy());
    targets.set(opened, target);
    inside.emit('connection', opened);
  });
  outside.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    outside.once('error', reject);
    outside.listen(options.port, options.host, () => resolve());
  });
  return {
    port: (outside.address() as AddressInfo).port, // listening on a TCP port
    async [Symbol.asyncDispose]() {
      outside.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function forward(request: IncomingMessage, response: ServerResponse, { host, port, ca }: ProxyTarget): void {
  const headers: OutgoingHttpHeaders = { via: '1.1 hospital-proxy' };
  for (const [name, value] of Object.entries(request.headers)) {
    if (!droppedHeaders.has(name)) headers[name] = value;
  }
  const outward = requestOverTls({
    host,
    port,
    // Of the target, whatever the request's Host header says; empty for an address (RFC 6066 §3).
    servername: isIP(host) === 0 ? host : '',
    ca,
    method: request.method,
    path: request.url,
    headers,
  });
  outward.once('response', (answer) => {
    const passed = Object.entries(answer.headers).filter(([name]) => !droppedHeaders.has(name));
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(passed));
    response.flushHeaders(); // a stream's first bytes may be long in coming
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  });
  outward.once('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.once('close', () => outward.destroy());
  request.pipe(outward);
}
