import { mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import type { AlertView, LiveEvent, PatientInput } from '../api/types.ts';
import { NotFoundError } from './backend.ts';
import { loadOrCreateToken, readToken } from './bearer-token.ts';
import { createFakeBackend } from './fake-backend.ts';
import { buildHttpApp, type HttpServerOptions, startHttpServer } from './http-server.ts';
import { LiveStreams } from './live-stream.ts';
import { routes } from './routes.ts';

const token = 'T'.repeat(43);
const subject = 'ab'.repeat(16);
const bearer = { authorization: `Bearer ${token}` };
const ada: PatientInput = {
  userId: 'QmAda',
  name: 'Ada Example',
  email: 'ada@example.org',
  language: 'en',
  doctor: null,
  tells: { patient: true, doctor: false },
  device: { kind: 'live' },
};
const base: HttpServerOptions = {
  host: '127.0.0.1',
  port: 0,
  token,
  hostNames: [],
  webDirectory: null,
  version: '0.1.0',
};
const deps = () => ({ clock: new VirtualClock(), logger: silentLogger, meter: silentMeter });

const apps: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function build(options: Partial<HttpServerOptions> = {}) {
  const backend = createFakeBackend();
  const streams = new LiveStreams({}, new VirtualClock());
  const app = await buildHttpApp({ ...base, ...options }, backend, deps(), streams);
  apps.push(app);
  // Fastify's `inject` says localhost:80 as host unless told otherwise.
  return { backend, ask: (ask: InjectOptions) => app.inject(ask), app };
}

const urlOf = (url: string) =>
  url
    .replace(':subject', subject)
    .replace(/:(alert|ask)Id/, 'cd'.repeat(16))
    .replace(':grantId', `0x${'ef'.repeat(32)}`);

describe('access to the gateway', () => {
  it('serves exactly the routes of the table', async () => {
    const { app } = await build();
    const served = Object.entries((app.swagger() as { paths: Record<string, object> }).paths).flatMap(([path, item]) =>
      Object.keys(item).map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1').replace('{*}', '*')}`,
      ),
    );
    expect(served.sort()).toEqual(routes.map((route) => `${route.method} ${route.url}`).sort());
  });

  it.each(routes.filter((route) => route.access !== 'public'))(
    'refuses $method $url without the token',
    async (route) => {
      const { ask } = await build();
      const url = urlOf(route.url);
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: `Basic ${token}` }]) {
        const answer = await ask({
          method: route.method,
          url,
          headers,
          payload: route.body ? {} : undefined,
        } as InjectOptions);
        expect(answer.statusCode).toBe(401);
        expect(answer.json()).toMatchObject({ code: 'no-access' });
      }
      if (route.access === 'token') {
        expect((await ask({ method: route.method, url: `${url}?token=${token}` })).statusCode).not.toBe(200);
      }
    },
  );

  it.each(routes.filter((route) => route.access === 'public'))('serves $method $url to anybody', async (route) => {
    const { ask } = await build();
    expect((await ask({ method: route.method, url: route.url })).statusCode).toBe(200);
  });

  it('does not answer to a name that is not its own, which a rebinding page would use', async () => {
    const { ask } = await build({ hostNames: ['ward.example.org'] });
    const hosts = {
      'evil.example': 421,
      'localhost.evil.example:80': 421,
      'ward.example.org:8080': 200,
      '[::1]:80': 200,
    };
    for (const [host, status] of Object.entries(hosts)) {
      expect((await ask({ url: '/api/v1/overview', headers: { ...bearer, host } })).statusCode).toBe(status);
    }
  });

  it.each(routes.filter((route) => route.method !== 'GET'))('refuses $method $url from another page', async (route) => {
    const { ask } = await build();
    for (const foreign of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const answer = await ask({
        method: route.method,
        url: urlOf(route.url),
        headers: { ...bearer, ...foreign },
        payload: {},
      });
      expect(answer.statusCode).toBe(403);
    }
  });

  it('lets no page frame it and no inline script run', async () => {
    const { ask } = await build();
    for (const url of ['/healthz', '/nowhere', '/api/v1/overview']) {
      const { headers } = await ask({ url });
      expect(headers['content-security-policy']).toMatch(/frame-ancestors 'none'/);
      expect(headers['content-security-policy']).not.toMatch(/unsafe/);
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
  });
});

describe('the API', () => {
  it('registers, lists and changes a patient', async () => {
    const { ask } = await build();
    const made = await ask({ method: 'POST', url: '/api/v1/patients', headers: bearer, payload: ada });
    expect(made.statusCode).toBe(201);
    const view = made.json();
    expect((await ask({ url: '/api/v1/patients', headers: bearer })).json().patients).toEqual([view]);
    const url = `/api/v1/patients/${view.subject}`;
    const changed = await ask({ method: 'PUT', url, headers: bearer, payload: { ...ada, name: 'Ada Other' } });
    expect(changed.json()).toMatchObject({ name: 'Ada Other', subject: view.subject });
    const again = await ask({ method: 'POST', url: '/api/v1/patients', headers: bearer, payload: ada });
    expect([again.statusCode, again.json().code]).toEqual([409, 'already-registered']);
  });

  it.each([
    ['a missing name', { ...ada, name: undefined }],
    ['a field nobody knows', { ...ada, isAdmin: true }],
    ['an unknown language', { ...ada, language: 'tlh' }],
    ['a name of the wrong type', { ...ada, name: { toString: 'x' } }],
    ['a name too long', { ...ada, name: 'x'.repeat(201) }],
  ])('refuses %s and changes nothing', async (_what, payload) => {
    const { ask } = await build();
    const answer = await ask({ method: 'POST', url: '/api/v1/patients', headers: bearer, payload });
    expect(answer.statusCode).toBe(400);
    expect((await ask({ url: '/api/v1/patients', headers: bearer })).json().patients).toEqual([]);
  });

  it('refuses a body past its limit and one that poisons prototypes', async () => {
    const { ask } = await build();
    const headers = { ...bearer, 'content-type': 'application/json' };
    const post = (payload: string) => ask({ method: 'POST', url: '/api/v1/patients', headers, payload });
    expect((await post(JSON.stringify({ ...ada, name: 'x'.repeat(70_000) }))).statusCode).toBe(413);
    expect((await post(`{"__proto__":{"isRegistered":true},"name":"x"}`)).statusCode).toBe(400);
  });

  it('asks for history by a span that makes sense', async () => {
    const { ask } = await build();
    const url = (query: string) => `/api/v1/patients/${subject}/windows?${query}`;
    for (const query of ['', 'fromMs=2&untilMs=1', 'fromMs=0&untilMs=90000000', 'fromMs=x&untilMs=1']) {
      expect((await ask({ url: url(query), headers: bearer })).statusCode).toBe(400);
    }
    expect((await ask({ url: url('fromMs=0&untilMs=1000'), headers: bearer })).json()).toEqual({ windows: [] });
  });

  it('says 404 where there is no such thing, and 500 without the reason where it failed', async () => {
    const { ask, backend } = await build();
    backend.acknowledge = () => Promise.reject(new NotFoundError('alert'));
    const url = `/api/v1/alerts/${'cd'.repeat(16)}/acknowledge`;
    const post = () => ask({ method: 'POST', url, headers: bearer, payload: { by: 'Dr Who' } });
    expect((await post()).statusCode).toBe(404);
    backend.acknowledge = () => Promise.reject(new Error('Ada Example has 180 bpm'));
    const failed = await post();
    expect(failed.statusCode).toBe(500);
    expect(failed.body).not.toContain('Ada');
  });
});

describe('static files', () => {
  const root = mkdtempSync(join(tmpdir(), 'pulsemesh-web-'));
  mkdirSync(join(root, 'web'));
  writeFileSync(join(root, 'web', 'index.html'), '<title>page</title>');
  writeFileSync(join(root, 'web', '.hidden'), 'secret');
  writeFileSync(join(root, 'secret.txt'), 'secret');

  it('serves the page, and nothing outside or hidden', async () => {
    const { ask } = await build({ webDirectory: join(root, 'web') });
    expect((await ask({ url: '/' })).body).toContain('page');
    const tries = [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/..%5csecret.txt',
      '/.hidden',
      '/%00',
      '//etc/passwd',
    ];
    for (const url of tries) {
      const answer = await ask({ url });
      expect([url, answer.statusCode >= 400, answer.body.includes('secret')]).toEqual([url, true, false]);
    }
  });
});

describe('the running server', () => {
  it('pushes what changes to a page that listens', async () => {
    const backend = createFakeBackend();
    await using server = await startHttpServer(base, backend, deps());
    const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/live?token=${token}`);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    const event: LiveEvent = { type: 'readings', readings: [{ subject, tMs: 1, heartRateBpm: 61, rrMs: [] }] };
    let text = '';
    while (!text.includes('event: network')) text += (await reader.read()).value;
    backend.emit(event);
    while (!text.includes('event: readings')) text += (await reader.read()).value;
    expect(text).toContain(JSON.stringify(event));
    await reader.cancel();
  });

  it('cuts off a client that never finishes its request, and serves others meanwhile', async () => {
    await using server = await startHttpServer({ ...base, headersTimeoutMs: 200 }, createFakeBackend(), deps());
    const slow = connect(server.port, '127.0.0.1');
    slow.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-');
    const isCut = new Promise((resolve) => slow.on('close', resolve));
    slow.on('error', () => {}).resume();
    expect((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status).toBe(200);
    await isCut;
  });

  it('refuses more listeners than it has room for', async () => {
    await using server = await startHttpServer({ ...base, live: { listenersMax: 1 } }, createFakeBackend(), deps());
    const url = `http://127.0.0.1:${server.port}/api/v1/live?token=${token}`;
    const first = await fetch(url);
    const second = await fetch(url);
    expect([second.status, await second.json()]).toMatchObject([503, { code: 'too-many-listeners' }]);
    await first.body?.cancel();
  });

  it('drops a listener that does not read, instead of keeping everything for it', () => {
    using streams = new LiveStreams({ unsentBytesMax: 1_000 }, new VirtualClock());
    const deaf = new PassThrough({ highWaterMark: 10 });
    streams.add(deaf, []);
    for (let sent = 0; sent < 100; sent += 1) streams.send({ type: 'alert', alert: {} as AlertView });
    expect(deaf.destroyed).toBe(true);
    expect(streams.count).toBe(0);
  });
});

describe('the token', () => {
  it('is made once, kept for its owner alone, and read back', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'pulsemesh-token-')), 'gateway', 'token');
    expect(readToken(file)).toBeNull();
    const made = loadOrCreateToken(file, createSeededRandom(1));
    expect(made).toMatch(/^[\w-]{43}$/);
    expect(loadOrCreateToken(file, createSeededRandom(2))).toBe(made);
    expect(readToken(file)).toBe(made);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
