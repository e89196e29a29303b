import { createSystemClock } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import { startTestServer, testDependencies } from '../client/client-test-server.ts';
import { type BoxKind, type BoxRules, boxKinds, startBox } from '../testing/boxes/index.ts';
import { type DoctorOptions, type DoctorReport, doctorLines, layerNames, runDoctor } from './index.ts';

const cleanUp: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** The doctor's findings behind a box; `user` for the box's proxy. */
async function examine(rules: BoxRules, more: { user?: string; isTrusted?: boolean } & Partial<DoctorOptions> = {}) {
  const { user = '', isTrusted = true, ...options } = more;
  const server = await startTestServer({ isTls: true });
  cleanUp.push(server);
  const ca = server.caPem ?? '';
  const target = { host: '127.0.0.1', port: server.port, tls: { ca } };
  const box = await startBox({ rules, target }, { clock: createSystemClock({ unref: true }) });
  cleanUp.push(box);
  return runDoctor(
    {
      url: box.direct === null ? 'https://localhost/' : `https://localhost:${box.direct.port}/`,
      proxy: box.proxyUrl === null ? { kind: 'none' } : { kind: 'fixed', url: box.proxyUrl.replace('//', `//${user}`) },
      trust: { caPems: [ca, ...(isTrusted && box.authority ? [box.authority.certificatePem] : [])], isExclusive: true },
      idleMsMax: 250,
      attemptMs: 1_000,
      ...options,
    },
    testDependencies,
  );
}

const stateOf = (report: DoctorReport, name: string) => report.layers.find((layer) => layer.name === name)?.state;
const findingOf = (report: DoctorReport, name: string) => report.layers.find((layer) => layer.name === name)?.finding;
const passing = (report: DoctorReport) => report.transports.filter((one) => one.ok).map((one) => one.name);

describe('the doctor', () => {
  it('finds nothing where nothing is in the way', async () => {
    const report = await examine(boxKinds.pass);
    expect(report.layers.map((layer) => layer.name)).toEqual(layerNames);
    expect(report.layers.filter((layer) => !['ok', 'skipped'].includes(layer.state))).toEqual([]);
    expect(passing(report)).toEqual(['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll']);
    expect(report).toMatchObject({ isIntercepted: false, issuer: 'link test', proxy: null });
    expect(report.firstEchoMs).toBeGreaterThan(0);
    expect(report.chosen).not.toBeNull();
    expect(doctorLines(report)[0]).toMatch(/^Pulsemesh connects to https:\/\/localhost:\d+\/, by /);
  });

  const limits: readonly (readonly [BoxKind, string, RegExp])[] = [
    ['strips-upgrade', 'upgrade', /not passed on/],
    ['refuses-upgrade', 'upgrade', /forbidden \(1\.1 test-box\)/],
    ['buffers-responses', 'buffering', /held back until they are complete/],
    ['limits-bodies', 'body-limit', /bodies of 100 kB pass, longer ones do not \(413/],
    ['cuts-after-150-ms', 'idle-limit', /waits \d+ ms for its answer is answered 504/],
    ['only-http-1', 'alpn', /HTTP\/2 is not offered/],
    ['only-tls-1.2', 'tls', /TLS 1\.2 is all that is offered.*"Hospital Web Gateway"/],
  ];
  it.each(limits)('in %s says what is limited in %s', async (kind, layer, finding) => {
    const report = await examine(boxKinds[kind]);
    expect(findingOf(report, layer)).toMatch(finding);
    expect(stateOf(report, layer)).toBe('limited');
    expect(report.isIntercepted).toBe(true);
    expect(passing(report)).toContain('long-poll');
    expect(doctorLines(report).join('\n')).toContain('What an administrator could change:');
  });

  it('says that something swallows', async () => {
    const report = await examine(boxKinds['swallows-upgrade']);
    expect(stateOf(report, 'upgrade')).toBe('ok');
    const webSocket = report.transports.find((one) => one.name === 'websocket');
    expect(webSocket).toMatchObject({ ok: false, firstEchoMs: null, rttMs: null });
    expect(passing(report)).toEqual(['stream', 'sse', 'long-poll', 'short-poll']);
  }, 60_000);

  it('names an inspecting proxy that is not trusted, and asks for its authority', async () => {
    const report = await examine(boxKinds['inspects-tls'], { isTrusted: false });
    expect(findingOf(report, 'tls')).toContain('"Hospital Web Gateway", which this machine does not trust');
    expect(report).toMatchObject({ chosen: null, firstEchoMs: null, transports: [] });
    expect(stateOf(report, 'upgrade')).toBe('skipped');
    expect(doctorLines(report).join('\n')).toContain('--ca');
  });

  it('tells of the proxy: that it works, that it wants a password, that it is not there', async () => {
    const works = await examine(boxKinds['wants-basic-password'], { user: 'agent:correct%20horse@' });
    expect(findingOf(works, 'proxy')).toMatch(/^The proxy 127\.0\.0\.1:\d+ makes a tunnel to localhost:443\.$/);
    const wants = await examine(boxKinds['wants-basic-password'], { user: 'agent:not-the-secret@' });
    expect(findingOf(wants, 'proxy')).toMatch(/refused the user name and password/);
    expect(JSON.stringify(wants)).not.toContain('not-the-secret');
    const gone = await examine(boxKinds.pass, { proxy: { kind: 'fixed', url: 'http://127.0.0.1:1' } });
    expect(findingOf(gone, 'tcp')).toBe('127.0.0.1:1 refuses connections.');
  });

  it('tells of a name that does not resolve and of a port where nothing listens', async () => {
    const name = await examine(boxKinds.pass, { url: 'https://no-such-host.invalid' });
    expect(stateOf(name, 'dns')).toBe('blocked');
    const port = await examine(boxKinds.pass, { url: 'https://127.0.0.1:1' });
    expect([stateOf(port, 'dns'), stateOf(port, 'tcp')]).toEqual(['ok', 'blocked']);
  });

  it('tells of a clock that is wrong, and of a server that is not ours', async () => {
    const clock = { ...testDependencies.clock, now: () => Date.now() + 3_600_000 };
    const server = await startTestServer();
    cleanUp.push(server);
    const ahead = await runDoctor(
      { url: server.url, proxy: { kind: 'none' }, idleMsMax: 50 },
      { ...testDependencies, clock },
    );
    expect(findingOf(ahead, 'clock')).toBe('This machine’s clock is 3600 s ahead of the server’s.');
    const other = await examine({ http: {} }, { url: `${server.url}/elsewhere` });
    expect(findingOf(other, 'server')).toMatch(/^A request is answered 404 by .*, not by a Pulsemesh server\.$/);
  });
});
