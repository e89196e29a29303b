import { once } from 'node:events';
import {
  connect as connectHttp2,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createSystemClock } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Box, type BoxKind, type BoxRules, boxKinds, createTestAuthority, startBox } from './index.ts';

const cleanUp: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const serverAuthority = createTestAuthority('Relay test authority');

/** A server as ours: HTTP/1.1, HTTP/2 and WebSocket on one TLS port. */
async function startServer(): Promise<number> {
  const own = serverAuthority.issue();
  const server = createSecureServer({
    allowHTTP1: true,
    cert: own.certificatePem,
    key: own.keyPem,
    settings: { enableConnectProtocol: true },
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => answer(request, response));
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (ws) => ws.on('message', (data) => ws.send(data)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUp.push({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as { port: number }).port; // a TCP listener has a port
}

function answer(request: Http2ServerRequest, response: Http2ServerResponse): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  if (request.url === '/never') return void response.write('first');
  request.on('end', () => response.end(`${request.method} ${bytes}`));
}

async function startFor(rules: BoxRules, clock = new VirtualClock()): Promise<Box> {
  const port = await startServer();
  const target = { host: '127.0.0.1', port, tls: { ca: serverAuthority.certificatePem } };
  const box = await startBox({ rules, target }, { clock });
  cleanUp.push(box);
  return box;
}

const trusted = (box: Box) => [
  serverAuthority.certificatePem,
  ...(box.authority ? [box.authority.certificatePem] : []),
];

async function openTls(box: Box, alpn: readonly string[] = ['http/1.1']): Promise<TLSSocket> {
  const socket = connectTls({
    ...box.direct,
    ca: trusted(box),
    servername: 'localhost',
    ALPNProtocols: [...alpn],
  } as never);
  await once(socket, 'secureConnect');
  return socket;
}

async function post(box: Box, body: string, path = '/'): Promise<{ status: number; text: string }> {
  const options = {
    ...box.direct,
    path,
    method: 'POST',
    ca: trusted(box),
    servername: 'localhost',
    agent: false as const,
  };
  const request = httpsRequest(options);
  request.end(body);
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, text };
}

async function echoByWebSocket(box: Box): Promise<string> {
  const ws = new WebSocket(`wss://localhost:${box.direct?.port}/`, { ca: trusted(box) });
  await once(ws, 'open');
  ws.send('hello');
  const [data] = await once(ws, 'message');
  ws.close();
  return String(data);
}

describe('a box', () => {
  it.each(['pass', 'only-http-1', 'inspects-tls', 'only-tls-1.2'] satisfies BoxKind[])(
    'that %s lets requests and WebSockets through',
    async (kind) => {
      const box = await startFor(boxKinds[kind]);
      expect(await post(box, 'abc')).toEqual({ status: 200, text: 'POST 3' });
      expect(await echoByWebSocket(box)).toBe('hello');
    },
  );

  it('shows its own certificate when it inspects, else the server’s', async () => {
    const plain = await openTls(await startFor({}));
    expect(plain.getPeerCertificate().issuer.O).toBe('Relay test authority');
    plain.destroy();
    const inspected = await openTls(await startFor(boxKinds['inspects-tls']), ['h2', 'http/1.1']);
    expect(inspected.getPeerCertificate().issuer.O).toBe('Hospital Web Gateway');
    expect([inspected.alpnProtocol, inspected.getProtocol()]).toEqual(['h2', 'TLSv1.3']);
    inspected.destroy();
    const old = await openTls(await startFor(boxKinds['only-tls-1.2']), ['h2', 'http/1.1']);
    expect([old.alpnProtocol, old.getProtocol()]).toEqual(['http/1.1', 'TLSv1.2']);
    old.destroy();
  });

  it('that strips Upgrade makes an ordinary request of it; that refuses it answers 403', async () => {
    const stripped = await startFor(boxKinds['strips-upgrade']);
    await expect(echoByWebSocket(stripped)).rejects.toThrow('Unexpected server response: 200');
    expect((await post(stripped, 'abc')).status).toBe(200);
    await expect(echoByWebSocket(await startFor(boxKinds['refuses-upgrade']))).rejects.toThrow('403');
  });

  it('that swallows accepts the Upgrade and gives nothing on', async () => {
    const box = await startFor(boxKinds['swallows-upgrade']);
    const ws = new WebSocket(`wss://localhost:${box.direct?.port}/`, { ca: trusted(box) });
    await once(ws, 'open');
    let messages = 0;
    ws.on('message', () => (messages += 1));
    ws.send('hello');
    expect((await post(box, 'abc')).status).toBe(200);
    expect(messages).toBe(0);
    ws.terminate();
  });

  it('that buffers gives nothing of a response that does not end, and whole ones as they are', async () => {
    const box = await startFor(boxKinds['buffers-responses']);
    expect(await post(box, 'x'.repeat(300_000))).toEqual({ status: 200, text: 'POST 300000' });
    const request = httpsRequest({
      ...box.direct,
      path: '/never',
      ca: trusted(box),
      servername: 'localhost',
      agent: false,
    });
    let isAnswered = false;
    request.on('response', () => (isAnswered = true)).on('error', () => {});
    request.end();
    expect((await post(box, 'abc')).status).toBe(200);
    expect(isAnswered).toBe(false);
    request.destroy();
  });

  it('that limits bodies answers 413 past the limit, with and without a length, and lets shorter ones pass', async () => {
    const box = await startFor(boxKinds['limits-bodies']);
    expect((await post(box, 'x'.repeat(100_000))).text).toBe('POST 100000');
    expect((await post(box, 'x'.repeat(100_001))).status).toBe(413);
    const chunked = httpsRequest({
      ...box.direct,
      method: 'POST',
      ca: trusted(box),
      servername: 'localhost',
      agent: false,
    });
    chunked.write('x'.repeat(60_000));
    chunked.end('x'.repeat(60_000));
    const [response] = await once(chunked, 'response');
    expect(response.statusCode).toBe(413);
    response.resume();
  });

  it('that cuts requests answers 504 before the first byte, cuts after it, and lets short ones pass', async () => {
    const clock = new VirtualClock();
    const box = await startFor(boxKinds['cuts-after-10-s'], clock);
    expect((await post(box, 'abc')).status).toBe(200);
    const streaming = httpsRequest({
      ...box.direct,
      path: '/never',
      ca: trusted(box),
      servername: 'localhost',
      agent: false,
    });
    streaming.end();
    const [response] = await once(streaming, 'response');
    await once(response, 'data');
    const waiting = httpsRequest({
      ...box.direct,
      method: 'POST',
      ca: trusted(box),
      servername: 'localhost',
      agent: false,
    });
    waiting.write('begun');
    const answered = once(waiting, 'response');
    const cut = once(response, 'error');
    while (clock.pendingCount < 2) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    expect((await cut)[0].code).toBe('ECONNRESET');
    const [late] = await answered;
    expect(late.statusCode).toBe(504);
    late.resume();
    waiting.on('error', () => {}).destroy();
  });

  it('passes HTTP/2 streams both ways while it inspects', async () => {
    const box = await startFor(boxKinds['inspects-tls']);
    const session = connectHttp2(`https://localhost:${box.direct?.port}`, { ca: trusted(box) });
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.write('abc');
    stream.end('def');
    const [headers] = await once(stream, 'response');
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect([headers[':status'], text]).toEqual([200, 'POST 6']);
    session.destroy();
  });
});

describe('a box that only moves bytes', () => {
  it('cuts what is idle, on its clock', async () => {
    const clock = new VirtualClock();
    const socket = await openTls(await startFor(boxKinds['cuts-idle-after-30-s'], clock));
    const failed = once(socket, 'error');
    await clock.advance(30_000);
    expect((await failed)[0].code).toBe('ECONNRESET');
  });

  it('resets after a megabyte', async () => {
    const box = await startFor(boxKinds['resets-after-1-mb']);
    expect((await post(box, 'x'.repeat(500_000))).status).toBe(200);
    await expect(post(box, 'x'.repeat(1_100_000))).rejects.toThrow(/ECONNRESET|EPIPE|hang up/);
  });

  it('drops one way: what goes up still arrives, nothing comes down', async () => {
    const box = await startFor({ tcp: { swallowDownAfterBytes: 0 } });
    const socket = connectTcp(box.direct as never);
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    let bytes = 0;
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.end();
    await once(socket, 'end');
    expect(bytes).toBe(0);
  });
});

describe('certificates of the test authority', () => {
  it('are refused out of their time and under another name', async () => {
    const box = await startBox(
      {
        rules: { http: {} },
        target: { host: '127.0.0.1', port: await startServer(), tls: { ca: serverAuthority.certificatePem } },
        names: ['relay.example'],
      },
      { clock: createSystemClock() },
    );
    cleanUp.push(box);
    await expect(post(box, '')).rejects.toThrow(/altname/i);
  });
});
