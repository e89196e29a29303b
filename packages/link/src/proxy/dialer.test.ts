import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Box, type BoxRules, boxKinds, createTestAuthority, startBox } from '../testing/boxes/index.ts';
import { createNtlmChallenger } from '../testing/boxes/ntlm-challenger.ts';
import { createDialer, type DialerOptions } from './index.ts';

const clock = createSystemClock({ unref: true });
const relayAuthority = createTestAuthority('Relay test authority');
const trust = { caPems: [relayAuthority.certificatePem] };
const password = 'correct horse';
const cleanUp: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** Greets whoever comes with its name, over TLS. */
async function startGreeter(
  options: { names?: string[]; notAfterMs?: number; notBeforeMs?: number } = {},
): Promise<number> {
  const own = relayAuthority.issue(options);
  const server = createTlsServer(
    { cert: own.certificatePem, key: own.keyPem, ALPNProtocols: ['h2', 'http/1.1'] },
    (socket) => socket.end('hello'),
  );
  return await listen(server);
}

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUp.push({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as { port: number }).port; // a TCP listener has a port
}

async function startFor(rules: BoxRules, port?: number): Promise<Box> {
  const target = {
    host: '127.0.0.1',
    port: port ?? (await startGreeter()),
    tls: { ca: relayAuthority.certificatePem },
  };
  const box = await startBox({ rules, target }, { clock: new VirtualClock() });
  cleanUp.push(box);
  return box;
}

async function greet(
  options: DialerOptions,
  place: { host: string; port: number } = { host: 'relay.example', port: 443 },
) {
  const dialer = createDialer({ trust, ...options }, { clock, logger: silentLogger });
  const tls = { servername: 'localhost', alpn: ['h2', 'http/1.1'] };
  const { socket, facts } = await dialer.connect({ ...place, tls });
  let text = '';
  for await (const chunk of socket) text += chunk;
  return { text, facts };
}

const through = (box: Box, user = ''): DialerOptions => {
  const url = new URL(box.proxyUrl ?? '');
  return { proxy: { kind: 'fixed', url: `${url.protocol}//${user}${url.host}` } };
};

describe('a dialer without a proxy', () => {
  it('connects, checks the certificate and says what it found', async () => {
    const port = await startGreeter();
    const { text, facts } = await greet({ proxy: { kind: 'none' } }, { host: '127.0.0.1', port });
    expect(text).toBe('hello');
    expect(facts).toMatchObject({
      tls: 'TLSv1.3',
      http: 'h2',
      certificateSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(facts.proxy).toBeUndefined();
  });

  it('says who issued a certificate it does not trust', async () => {
    const box = await startFor(boxKinds['inspects-tls']);
    await expect(greet({ proxy: { kind: 'none' } }, box)).rejects.toMatchObject({
      code: 'certificate-untrusted',
      message: expect.stringContaining('issued by "Hospital Web Gateway"'),
      facts: { host: 'localhost' },
    });
  });

  it('takes the authority of an inspecting box from a file', async () => {
    const greeter = createServer((socket) => socket.end('x'));
    await listen(greeter);
    const box = await startFor(boxKinds['only-tls-1.2']);
    const file = join(await mkdtemp(join(tmpdir(), 'pulsemesh-ca-')), 'ca.pem');
    writeFileSync(file, box.authority?.certificatePem ?? '');
    const dialer = createDialer(
      { proxy: { kind: 'none' }, trust: { caFiles: [file] } },
      { clock, logger: silentLogger },
    );
    const tls = { servername: 'localhost', alpn: ['h2', 'http/1.1'] };
    const { socket, facts } = await dialer.connect({ host: box.host, port: box.port, tls });
    expect(facts).toMatchObject({ tls: 'TLSv1.2', http: 'http/1.1' });
    socket.destroy();
  });

  it.each([
    ['certificate-expired', { notAfterMs: Date.UTC(2021, 0, 1) }],
    ['certificate-not-yet-valid', { notBeforeMs: Date.UTC(2048, 0, 1) }],
    ['certificate-name', { names: ['other.example'] }],
  ])('refuses with %s', async (code, options) => {
    const port = await startGreeter(options);
    await expect(greet({ proxy: { kind: 'none' } }, { host: '127.0.0.1', port })).rejects.toMatchObject({ code });
  });

  it('names what stood in the way of the connection', async () => {
    const refused = greet({ proxy: { kind: 'none' } }, { host: '127.0.0.1', port: 1 });
    await expect(refused).rejects.toMatchObject({
      code: 'connect-failed',
      facts: { reason: 'ECONNREFUSED' },
      retryable: true,
    });
    const unknown = greet({ proxy: { kind: 'none' } }, { host: 'no-such-host.invalid', port: 1 });
    await expect(unknown).rejects.toMatchObject({ code: 'name-not-found' });
  });

  it('gives up when its time is over, and at once when told to', async () => {
    const port = await listen(createServer(() => {}));
    const virtual = new VirtualClock();
    const dialer = createDialer({ proxy: { kind: 'none' }, trust }, { clock: virtual, logger: silentLogger });
    const tls = { servername: 'localhost', alpn: ['http/1.1'] };
    const tooLong = dialer.connect({ host: '127.0.0.1', port, tls });
    const judged = expect(tooLong).rejects.toMatchObject({ code: 'connect-failed', facts: { reason: 'timeout' } });
    await virtual.advance(15_000);
    await judged;
    const controller = new AbortController();
    const aborted = dialer.connect({ host: '127.0.0.1', port, tls, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(virtual.pendingCount).toBe(0);
  });

  it('connects to the addresses a URL was judged by, and resolves no other name', async () => {
    const port = await startGreeter();
    const pinned = { url: new URL(`https://localhost.example:${port}`), addresses: ['127.0.0.1'] };
    const options: DialerOptions = { proxy: { kind: 'none' }, pinned };
    expect((await greet(options, { host: 'localhost.example', port })).text).toBe('hello');
    await expect(greet(options, { host: 'localhost', port })).rejects.toMatchObject({ code: 'name-not-found' });
  });

  it('says which CA file is no good', async () => {
    const port = await startGreeter();
    const missing = greet(
      { proxy: { kind: 'none' }, trust: { caFiles: ['/nowhere/ca.pem'] } },
      { host: '127.0.0.1', port },
    );
    await expect(missing).rejects.toMatchObject({
      code: 'proxy-config',
      message: expect.stringContaining('/nowhere/ca.pem'),
    });
  });
});

describe('a dialer with a proxy', () => {
  it('asks for a tunnel by name and port, and does TLS with the target through it', async () => {
    const box = await startFor(boxKinds['wants-connect']);
    const { text, facts } = await greet(through(box));
    expect([text, facts.proxy, facts.http]).toEqual(['hello', `127.0.0.1:${box.port}`, 'h2']);
    expect(box.asked).toEqual(['relay.example:443']);
  });

  it('speaks TLS with a proxy that has it', async () => {
    const certificate = relayAuthority.issue();
    const box = await startFor({ proxy: { certificate, auth: 'basic' } });
    expect((await greet(through(box, `agent:${encodeURIComponent(password)}@`))).text).toBe('hello');
  });

  it.each([
    ['Basic', boxKinds['wants-basic-password'], 2],
    ['NTLM', boxKinds['wants-ntlm-password'], 3],
  ])('proves itself with %s, and needs one round less the next time', async (_scheme, rules, rounds) => {
    const box = await startFor(rules);
    const dialer = createDialer(
      { trust, ...through(box, `agent:${encodeURIComponent(password)}@`) },
      { clock, logger: silentLogger },
    );
    const tls = { servername: 'localhost', alpn: ['http/1.1'] };
    (await dialer.connect({ host: 'relay.example', port: 443, tls })).socket.destroy();
    expect(box.asked).toHaveLength(rounds);
    (await dialer.connect({ host: 'relay.example', port: 443, tls })).socket.destroy();
    expect(box.asked).toHaveLength(rounds + rounds - 1);
  });

  it('gives NTLM the domain of a user', async () => {
    const credentials = { username: 'agent', password, domain: 'Ward' };
    const box = await startFor({ proxy: { auth: 'ntlm', credentials } });
    expect((await greet(through(box, `Ward%5Cagent:${encodeURIComponent(password)}@`))).text).toBe('hello');
    await expect(greet(through(box, `agent:${encodeURIComponent(password)}@`))).rejects.toMatchObject({
      code: 'proxy-auth',
    });
  });

  it('takes the password from a file', async () => {
    const box = await startFor(boxKinds['wants-basic-password']);
    const file = join(await mkdtemp(join(tmpdir(), 'pulsemesh-password-')), 'proxy');
    writeFileSync(file, `agent:${password}\n`);
    expect((await greet({ ...through(box), proxyCredentialsFile: file })).text).toBe('hello');
  });

  it.each([
    ['missing', boxKinds['wants-basic-password'], ''],
    ['refused', boxKinds['wants-basic-password'], 'agent:wrong-secret@'],
    ['refused', boxKinds['wants-ntlm-password'], 'agent:wrong-secret@'],
    ['unsupported', { proxy: { auth: 'negotiate' } }, 'agent:wrong-secret@'],
  ] as const)('says that the password is %s, and never what it is', async (problem, rules, user) => {
    const box = await startFor(rules);
    const error = await greet(through(box, user)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'proxy-auth', facts: { problem } });
    expect(JSON.stringify([error, (error as Error).message, (error as Error).stack])).not.toContain('wrong-secret');
  });

  it('tells of a proxy that is not there, that refuses, and that is none', async () => {
    const gone = greet({ proxy: { kind: 'fixed', url: 'http://127.0.0.1:1' } });
    await expect(gone).rejects.toMatchObject({ code: 'proxy-unreachable', facts: { proxy: '127.0.0.1:1' } });
    const refusing = await startFor({ proxy: { refusesWith: 403 } });
    await expect(greet(through(refusing))).rejects.toMatchObject({
      code: 'proxy-refused',
      facts: { status: 403, via: '1.1 test-proxy' },
    });
    const silent = await startFor({ proxy: { rawAnswer: 'SSH-2.0-OpenSSH_9.2\r\n\r\n' } });
    await expect(greet(through(silent))).rejects.toMatchObject({ code: 'proxy-protocol' });
  });

  it.each([
    ['a head without end', 'HTTP/1.1 200 OK\r\nX: '.padEnd(20_000, 'x')],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['too many fields', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(101)}\r\n`],
    ['two lengths', 'HTTP/1.1 407 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['only interim answers', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(5)],
    ['a challenge that is none', 'HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: NTLM AAAA\r\n\r\n'],
  ])('refuses %s', async (_what, rawAnswer) => {
    const box = await startFor({ proxy: { rawAnswer } });
    await expect(greet(through(box, 'a:b@'))).rejects.toMatchObject({
      code: expect.stringMatching(/^proxy-(protocol|auth)$/),
    });
  });

  it('does not answer NTLM version 1 unless that is allowed', async () => {
    const type2 = Buffer.alloc(48);
    type2.write('NTLMSSP\0', 0, 'latin1');
    type2.writeUInt32LE(2, 8);
    type2.writeUInt32LE(0x201, 20);
    const rawAnswer = `HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: NTLM ${type2.toString('base64')}\r\n\r\n`;
    const box = await startFor({ proxy: { rawAnswer } });
    await expect(greet(through(box, 'a:b@'))).rejects.toMatchObject({ facts: { problem: 'weak' } });
    await expect(greet({ ...through(box, 'a:b@'), allowsNtlmVersion1: true })).rejects.toMatchObject({
      facts: { problem: 'refused' },
    });
  });

  it('reads past a chunked page of the proxy in the middle of NTLM', async () => {
    const ntlm = createNtlmChallenger({ username: 'a', password: 'b' });
    const page = 'Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n';
    const port = await listen(
      createServer((socket) => {
        socket.on('data', (chunk) => {
          const token = /NTLM (\S+)/.exec(chunk.toString('latin1'))?.[1];
          const verdict = token === undefined ? undefined : ntlm.judge(token);
          if (verdict?.kind === 'accepted') return void socket.end('HTTP/1.1 200 OK\r\n\r\nhi');
          const challenge = verdict?.kind === 'challenge' ? `NTLM ${verdict.token}` : 'NTLM';
          socket.write(`HTTP/1.1 407 No\r\nProxy-Authenticate: ${challenge}\r\n${page}`);
        });
      }),
    );
    const dialer = createDialer(
      { proxy: { kind: 'fixed', url: `http://a:b@127.0.0.1:${port}` } },
      { clock, logger: silentLogger },
    );
    const { socket, facts } = await dialer.connect({ host: 'relay.example', port: 80 });
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect([text, facts.tls]).toEqual(['hi', 'plaintext']);
  });

  it('goes by the environment', async () => {
    const box = await startFor(boxKinds['wants-connect']);
    const variables = { HTTPS_PROXY: box.proxyUrl ?? '', NO_PROXY: '10.0.0.0/8,.inside.example' };
    expect((await greet({ proxy: { kind: 'environment', variables } })).facts.proxy).toBeDefined();
    const inside = greet(
      { proxy: { kind: 'environment', variables: { ...variables, NO_PROXY: '127.0.0.0/8' } } },
      {
        host: '127.0.0.1',
        port: await startGreeter(),
      },
    );
    expect((await inside).facts.proxy).toBeUndefined();
  });

  it('tries the routes of a PAC file in order', async () => {
    const box = await startFor(boxKinds['wants-basic-password']);
    const pac = createServer((socket) => {
      socket.once('data', () => {
        const script = `function FindProxyForURL(url, host) {
          return dnsDomainIs(host, '.example') ? 'SOCKS x:1; PROXY 127.0.0.1:1; PROXY 127.0.0.1:${box.port}; DIRECT' : 'DIRECT';
        }`;
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${script.length}\r\nConnection: close\r\n\r\n${script}`);
      });
    });
    const source = `http://127.0.0.1:${await listen(pac)}/proxy.pac`;
    const file = join(await mkdtemp(join(tmpdir(), 'pulsemesh-password-')), 'proxy');
    writeFileSync(file, `agent:${password}`);
    const { text, facts } = await greet({ proxy: { kind: 'pac', source }, proxyCredentialsFile: file });
    expect([text, facts.proxy]).toEqual(['hello', `127.0.0.1:${box.port}`]);
  });
});
