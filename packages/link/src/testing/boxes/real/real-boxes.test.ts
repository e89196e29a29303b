import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import { createDialer, type DialerOptions } from '../../../proxy/index.ts';
import { createTestAuthority } from '../index.ts';
import {
  createHospitalNamespace,
  haproxyAbsence,
  mitmdumpAbsence,
  namespaceAbsence,
  type RealBox,
  squidAbsence,
  startHaproxy,
  startMitmdump,
  startSquid,
  startTinyproxy,
  tinyproxyAbsence,
} from './index.ts';

const clock = createSystemClock({ unref: true });
const dependencies = { clock };
const serverAuthority = createTestAuthority('Relay test authority');
const serverCa = serverAuthority.certificatePem;
const auth = { username: 'agent', password: 'secret-of-the-agent' };
const cleanUp: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const use = <T extends AsyncDisposable>(one: T): T => {
  cleanUp.push(one);
  return one;
};

async function startServer(): Promise<number> {
  const own = serverAuthority.issue();
  const sockets = new Set<Socket>();
  const server = createTlsServer({ cert: own.certificatePem, key: own.keyPem }, (socket) => {
    socket
      .on('error', () => {})
      .once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'));
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  use({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as { port: number }).port; // a TCP listener has a port
}

/** One request through the box; who issued the certificate that was shown. */
async function ask(
  box: RealBox,
  port: number,
  user = '',
  options: DialerOptions = {},
): Promise<{ text: string; issuer: string }> {
  const proxyUrl = box.proxyUrl?.replace('//', `//${user}`);
  const dialer = createDialer(
    {
      proxy: proxyUrl === undefined ? { kind: 'none' } : { kind: 'fixed', url: proxyUrl },
      trust: { caPems: [box.authority?.certificatePem ?? serverCa], isExclusive: true },
      ...options,
    },
    { clock, logger: silentLogger },
  );
  const place = box.proxyUrl === null ? { host: box.host, port: box.port } : { host: '127.0.0.1', port };
  const { socket } = await dialer.connect({ ...place, tls: { servername: 'localhost', alpn: ['http/1.1'] } });
  const issuer = 'getPeerCertificate' in socket ? socket.getPeerCertificate().issuer.O : 'nobody';
  socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes('hello')) break;
  }
  socket.destroy();
  return { text: text.includes('hello') ? 'hello' : text, issuer: String(issuer) };
}

describe.skipIf(tinyproxyAbsence() !== null)('tinyproxy', () => {
  it('lets through, with Basic where it wants that', async () => {
    const port = await startServer();
    const box = use(await startTinyproxy({ auth: { scheme: 'basic', ...auth } }, dependencies));
    expect((await ask(box, port, `${auth.username}:${auth.password}@`)).text).toBe('hello');
    await expect(ask(box, port, 'agent:wrong@')).rejects.toMatchObject({ code: expect.stringMatching(/^proxy-/) });
    await expect(ask(box, port)).rejects.toMatchObject({ code: 'proxy-auth', facts: { problem: 'missing' } });
  });
});

describe.skipIf(squidAbsence() !== null)('squid', () => {
  it('lets through, with Basic and with NTLM where it wants that', async () => {
    const port = await startServer();
    const basic = use(await startSquid({ auth: { scheme: 'basic', ...auth } }, dependencies));
    expect((await ask(basic, port, `${auth.username}:${auth.password}@`)).text).toBe('hello');
    await expect(ask(basic, port, 'agent:wrong@')).rejects.toMatchObject({ facts: { problem: 'refused' } });
    const ntlm = use(await startSquid({ auth: { scheme: 'ntlm', ...auth } }, dependencies));
    // Its test helper knows version 1 only.
    await expect(ask(ntlm, port, 'WARD%5Cagent:x@')).rejects.toMatchObject({ facts: { problem: 'weak' } });
    expect((await ask(ntlm, port, 'WARD%5Cagent:x@', { allowsNtlmVersion1: true })).text).toBe('hello');
  });

  it('inspects with its own certificates', async () => {
    const port = await startServer();
    const box = use(await startSquid({ inspects: { serverCa } }, dependencies));
    expect(await ask(box, port)).toEqual({ text: 'hello', issuer: 'Squid of the hospital' });
    const trust = { caPems: [serverCa], isExclusive: true };
    await expect(ask(box, port, '', { trust })).rejects.toMatchObject({
      code: 'certificate-untrusted',
      facts: { issuer: 'Squid of the hospital' },
    });
  });
});

describe.skipIf(mitmdumpAbsence() !== null)('mitmproxy', () => {
  it('inspects with its own certificates', async () => {
    const port = await startServer();
    const box = use(await startMitmdump({ serverCa, auth: { scheme: 'basic', ...auth } }, dependencies));
    expect(await ask(box, port, `${auth.username}:${auth.password}@`)).toEqual({
      text: 'hello',
      issuer: 'mitmproxy of the hospital',
    });
  });
});

describe.skipIf(haproxyAbsence() !== null)('haproxy', () => {
  it('ends TLS in front of the server', async () => {
    const port = await startServer();
    const box = use(
      await startHaproxy({ target: { host: '127.0.0.1', port }, serverCa, isHttp2: false }, dependencies),
    );
    expect(await ask(box, port)).toEqual({ text: 'hello', issuer: 'haproxy of the data centre' });
  });
});

describe.skipIf(namespaceAbsence() !== null)('a hospital’s network', () => {
  it('lets out to the proxy’s port and nowhere else', async () => {
    using hospital = createHospitalNamespace({ random: createSystemRandom() });
    const box = use(await startTinyproxy({ host: hospital.outsideHost }, dependencies));
    hospital.allowOnly(box.port);
    const script = `
      const { connect } = require('node:net');
      const attempt = (port) => new Promise((resolve) => {
        const socket = connect(port, '${hospital.outsideHost}');
        socket.once('connect', () => { socket.destroy(); resolve('through'); });
        socket.once('error', (error) => resolve(error.code));
      });
      (async () => console.log(await attempt(${box.port}), await attempt(${box.port === 443 ? 444 : 443})))();`;
    const { command, args } = hospital.commandInside(process.execPath, ['-e', script]);
    expect(
      execFileSync(command, [...args])
        .toString()
        .trim(),
    ).toBe('through ECONNREFUSED');
  });
});
