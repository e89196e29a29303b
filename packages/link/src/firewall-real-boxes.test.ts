import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import type { TransportName } from './carrier.ts';
import { startTestServer, type TestServer, testDependencies, testIdentity } from './client/client-test-server.ts';
import { connectLink } from './client/connect-link.ts';
import { runDoctor } from './doctor/index.ts';
import { createDialer, type DialerOptions } from './proxy/index.ts';
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
} from './testing/boxes/real/index.ts';
import type { HospitalAgentResult, HospitalAgentTask } from './testing/hospital-agent.ts';
import { runSoak, serveSoak } from './testing/soak.ts';

const clock = createSystemClock({ unref: true });
const dependencies = { clock };
const auth = { username: 'agent', password: 'secret-of-the-agent' };
const all: TransportName[] = ['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll'];
const posts: TransportName[] = ['stream', 'sse', 'long-poll', 'short-poll'];
const polls: TransportName[] = ['long-poll', 'short-poll'];
// The nightly sends a hundred thousand each way.
const messages = Number(
  process.env['PULSEMESH_SOAK_MESSAGES'] ?? (process.env['PULSEMESH_TABLES'] === 'full' ? 100_000 : 20_000),
);
const movesMin = 10;

const cleanUp: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const use = <T extends AsyncDisposable>(one: T): T => {
  cleanUp.push(one);
  return one;
};

async function startServer(): Promise<TestServer & { readonly ca: string }> {
  const server = use(await startTestServer({ isTls: true }));
  server.sessions.onSession(serveSoak);
  return { ...server, ca: server.caPem ?? '' };
}

interface Way {
  readonly box: RealBox;
  readonly user?: string;
  readonly transports: readonly TransportName[];
  readonly options?: DialerOptions;
}

/** A session through the box, soaked while it is moved; then what the doctor says there. */
async function soak(server: TestServer & { readonly ca: string }, way: Way) {
  const { box, user = '', transports } = way;
  const url = `https://localhost:${box.proxyUrl === null ? box.port : server.port}`;
  const proxyUrl = box.proxyUrl?.replace('//', `//${user}`);
  const options: DialerOptions = {
    proxy: proxyUrl === undefined ? { kind: 'none' } : { kind: 'fixed', url: proxyUrl },
    trust: { caPems: [box.authority?.certificatePem ?? server.ca], isExclusive: true },
    ...way.options,
  };
  const dialer = createDialer(options, { clock, logger: silentLogger });
  await using link = await connectLink(
    { url, identity: testIdentity(2), server: server.identity.peerId, software: 'real boxes' },
    { ...testDependencies, dialer },
  );
  const { atAgent, atServer, moves } = await runSoak(link, { messages, movesMin, transports }, testDependencies);
  expect([atAgent, atServer]).toMatchObject([
    { lost: 0, doubled: 0, displaced: 0 },
    { lost: 0, doubled: 0, displaced: 0 },
  ]);
  expect(Math.min(atAgent.received, atServer.received)).toBeGreaterThanOrEqual(messages);
  expect(moves).toBeGreaterThanOrEqual(movesMin);
  expect(link.status.sessions).toBe(1);
  expect(link.status.isIntercepted).toBe(box.authority !== null);
  return { url, options };
}

const minutes = 5 * 60_000;

describe.skipIf(tinyproxyAbsence() !== null)(`tinyproxy ${tinyproxyAbsence() ?? ''}`, () => {
  it(
    'with a password: nothing is lost, doubled or reordered',
    async () => {
      const server = await startServer();
      const box = use(await startTinyproxy({ auth: { scheme: 'basic', ...auth } }, dependencies));
      await soak(server, { box, user: `${auth.username}:${auth.password}@`, transports: all });
    },
    minutes,
  );
});

describe.skipIf(squidAbsence() !== null)(`squid ${squidAbsence() ?? ''}`, () => {
  it(
    'with Basic: nothing is lost, doubled or reordered',
    async () => {
      const server = await startServer();
      const box = use(await startSquid({ auth: { scheme: 'basic', ...auth } }, dependencies));
      await soak(server, { box, user: `${auth.username}:${auth.password}@`, transports: all });
    },
    minutes,
  );

  it(
    'with NTLM: nothing is lost, doubled or reordered',
    async () => {
      const server = await startServer();
      const box = use(await startSquid({ auth: { scheme: 'ntlm', ...auth } }, dependencies));
      const proxy = { kind: 'fixed', url: box.proxyUrl?.replace('//', '//WARD%5Cagent:x@') ?? '' } as const;
      const trust = { caPems: [server.ca], isExclusive: true };
      await soak(server, { box, transports: all, options: { proxy, trust, allowsNtlmVersion1: true } });
    },
    minutes,
  );

  it(
    'opening TLS: nothing is lost, doubled or reordered, and the doctor names it',
    async () => {
      const server = await startServer();
      const box = use(await startSquid({ inspects: { serverCa: server.ca } }, dependencies));
      const { url, options } = await soak(server, { box, transports: posts });
      const { proxy, trust } = options;
      const settings = { url, idleMsMax: 200, attemptMs: 1_000, ...(proxy && { proxy }), ...(trust && { trust }) };
      const report = await runDoctor(settings, testDependencies);
      expect(report).toMatchObject({ isIntercepted: true, issuer: 'Squid of the hospital' });
      const upgrade = report.layers.find((layer) => layer.name === 'upgrade');
      expect(upgrade).toMatchObject({ state: 'limited', finding: expect.stringContaining('squid') });
      expect(report.transports.filter((one) => one.ok).map((one) => one.name)).toEqual(posts);
    },
    minutes,
  );
});

describe.skipIf(mitmdumpAbsence() !== null)(`mitmproxy ${mitmdumpAbsence() ?? ''}`, () => {
  it.each([
    ['with HTTP/2', { isHttp2: true }, ['websocket', ...polls]],
    ['with HTTP/1.1 only', { isHttp2: false }, ['websocket', ...polls]],
    ['stripping Upgrade', { isHttp2: false, stripsUpgrade: true }, polls],
  ] as const)(
    '%s: nothing is lost, doubled or reordered',
    async (_how, options, transports) => {
      const server = await startServer();
      const box = use(await startMitmdump({ serverCa: server.ca, ...options }, dependencies));
      await soak(server, { box, transports });
    },
    minutes,
  );
});

describe.skipIf(haproxyAbsence() !== null)(`haproxy ${haproxyAbsence() ?? ''}`, () => {
  it.each([
    ['with HTTP/2', { isHttp2: true }, all],
    [
      'with HTTP/1.1 only, waiting for whole requests',
      { isHttp2: false, buffersRequests: true },
      ['websocket', ...posts],
    ],
  ] as const)(
    '%s: nothing is lost, doubled or reordered',
    async (_how, options, transports) => {
      const server = await startServer();
      const target = { host: '127.0.0.1', port: server.port };
      const box = use(await startHaproxy({ target, serverCa: server.ca, ...options }, dependencies));
      await soak(server, { box, transports });
    },
    minutes,
  );
});

describe.skipIf(namespaceAbsence() !== null || squidAbsence() !== null)(
  `a network in which only the proxy can be reached ${namespaceAbsence() ?? squidAbsence() ?? ''}`,
  () => {
    it(
      'lets an agent through it, and nothing is lost, doubled or reordered',
      async () => {
        const server = await startServer();
        using hospital = createHospitalNamespace({ random: createSystemRandom() });
        const proxyOptions = { host: hospital.outsideHost, auth: { scheme: 'basic' as const, ...auth } };
        const box = use(await startSquid(proxyOptions, dependencies));
        hospital.allowOnly(box.port);
        const task: HospitalAgentTask = {
          url: `https://localhost:${server.port}`,
          caPem: server.ca,
          server: server.identity.peerId,
          messages,
          movesMin,
          transports: all,
          forbidden: { host: hospital.outsideHost, port: server.port },
        };
        const script = fileURLToPath(new URL('./testing/hospital-agent.ts', import.meta.url));
        const { command, args } = hospital.commandInside(process.execPath, [script, JSON.stringify(task)]);
        const HTTPS_PROXY = `http://${auth.username}:${auth.password}@${hospital.outsideHost}:${box.port}`;
        const env = { PATH: process.env['PATH'], HTTPS_PROXY };
        const { stdout } = await promisify(execFile)(command, [...args], { env });
        const result = JSON.parse(stdout) as HospitalAgentResult; // printed by the script above
        expect(result).toMatchObject({
          proxy: `${hospital.outsideHost}:${box.port}`,
          direct: 'ECONNREFUSED',
          atAgent: { lost: 0, doubled: 0, displaced: 0 },
          atServer: { lost: 0, doubled: 0, displaced: 0 },
        });
        expect(Math.min(result.atAgent.received, result.atServer.received)).toBeGreaterThanOrEqual(messages);
      },
      minutes,
    );
  },
);
