import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { makeLoopbackCertificate } from './certificates.ts';
import { startHospitalProxy } from './hospital-proxy.ts';

const host = '127.0.0.1';
const nowMs = Date.UTC(2026, 0, 1);
let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

async function startBoth() {
  const [target, own] = await Promise.all(
    ['target', 'proxy'].map((name) => makeLoopbackCertificate(name, nowMs, 36_500)),
  );
  if (target === undefined || own === undefined) throw new Error('two certificates were made');
  const heard: string[] = [];
  const server = createServer({ cert: target.cert, key: target.key }, (request, response) => {
    heard.push(`${request.method} ${request.url} via=${request.headers.via} upgrade=${request.headers.upgrade}`);
    response.write('first ');
    request.on('data', (bytes: Buffer) => response.write(bytes));
    request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  stack.defer(() => void server.close());
  const { port } = server.address() as AddressInfo; // listening on a TCP port
  const proxy = stack.use(
    await startHospitalProxy({ host, port: 0, targets: [{ host, port, ca: target.ca }], certificate: own }),
  );
  return { proxy, port, heard, ca: own.ca };
}

/** Asks the proxy for a tunnel; gives what it said first. */
function tunnel(proxyPort: number, to: string) {
  const socket = connect(proxyPort, host);
  stack.defer(() => void socket.destroy());
  socket.write(`CONNECT ${to} HTTP/1.1\r\nhost: ${to}\r\n\r\n`);
  return new Promise<{ readonly said: string; readonly socket: typeof socket }>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (bytes: Buffer) => resolve({ said: bytes.toString().split('\r\n')[0] ?? '', socket }));
  });
}

async function readAll(socket: TLSSocket): Promise<string> {
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return text;
}

describe('the proxy of the demo’s hospital', () => {
  it('opens TLS with its own certificate, speaks HTTP/1.1 only, and passes requests on', async () => {
    const { proxy, port, heard, ca } = await startBoth();
    const { said, socket } = await tunnel(proxy.port, `${host}:${port}`);
    expect(said).toBe('HTTP/1.1 200 Connection established');
    const opened = connectTls({ socket, ca, servername: 'localhost', ALPNProtocols: ['h2', 'http/1.1'] });
    await new Promise((resolve) => opened.once('secureConnect', resolve));
    expect([opened.alpnProtocol, opened.getPeerCertificate().subject.CN]).toEqual(['http/1.1', 'proxy']);
    opened.write('POST /link HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsecond');
    expect(await readAll(opened)).toMatch(/first [\s\S]*second/);
    expect(heard).toEqual(['POST /link via=1.1 hospital-proxy upgrade=undefined']);
  });

  it('lets no WebSocket through', async () => {
    const { proxy, port, heard, ca } = await startBoth();
    const { socket } = await tunnel(proxy.port, `${host}:${port}`);
    const opened = connectTls({ socket, ca, servername: 'localhost' });
    opened.write('GET /w HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    expect(await readAll(opened)).toMatch(/^HTTP\/1\.1 426 /);
    expect(heard).toEqual([]);
  });

  it('connects to nobody else', async () => {
    const { proxy } = await startBoth();
    expect((await tunnel(proxy.port, 'example.org:443')).said).toBe('HTTP/1.1 403 Forbidden');
  });
});
