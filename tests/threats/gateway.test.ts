import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { startInbox } from '@pulsemesh/node/inbox';
import { createFakeBackend } from '@pulsemesh/node/testing';
import { describe, expect, it } from 'vitest';
import { type HttpServerOptions, startHttpServer } from '../../packages/node/src/gateway/http-server.ts';
import { livePath, routes } from '../../packages/node/src/gateway/routes.ts';
import { ask, askRaw, hold, type RawAnswer } from './raw-http.ts';
import { temporaryDirectory } from './whole-node.ts';

const token = 'T'.repeat(43);
const bearer = { authorization: `Bearer ${token}` };
const clock = createSystemClock();

function start(options: Partial<HttpServerOptions> = {}) {
  const all = { host: '127.0.0.1', port: 0, token, hostNames: [], webDirectory: null, version: '0', ...options };
  return startHttpServer(all, createFakeBackend(), { clock, logger: silentLogger, meter: silentMeter });
}

/** A page, and secrets beside it and above it. */
function webDirectory() {
  const place = temporaryDirectory();
  const web = join(place.path, 'web');
  mkdirSync(join(web, 'assets'), { recursive: true });
  writeFileSync(join(web, 'index.html'), '<title>page</title>');
  writeFileSync(join(web, '.env'), 'SECRET');
  writeFileSync(join(place.path, 'secret.txt'), 'SECRET');
  return { web, [Symbol.dispose]: () => place[Symbol.dispose]() };
}

const pathOf = (url: string) => url.replace(':subject', 'ab'.repeat(16)).replace(':alertId', 'cd'.repeat(16));

describe('row 39: every route × credential', () => {
  const credentials = {
    none: { headers: {}, query: '' },
    'a wrong token': { headers: { authorization: `Bearer ${'U'.repeat(43)}` }, query: '' },
    'a longer token': { headers: { authorization: `Bearer ${token}T` }, query: '' },
    'the token as Basic': { headers: { authorization: `Basic ${token}` }, query: '' },
    'the token in a cookie': { headers: { cookie: `token=${token}` }, query: '' },
    'the token in the query': { headers: {}, query: `?token=${token}` },
    'the token': { headers: bearer, query: '' },
  } as const;
  const opens: Readonly<Record<(typeof routes)[number]['access'], readonly string[]>> = {
    public: Object.keys(credentials),
    token: ['the token'],
    'token-or-query': ['the token', 'the token in the query'],
  };

  it('opens to those of the table and to nobody else, by HEAD as by GET', async () => {
    await using server = await start();
    for (const { method, url, access, body } of routes) {
      for (const [name, { headers, query }] of Object.entries(credentials)) {
        for (const verb of method === 'GET' && url !== livePath ? ['GET', 'HEAD'] : [method]) {
          const { status } = await ask(server.port, verb, pathOf(url) + query, headers, body ? '{}' : '');
          expect([verb, url, name, status !== 401]).toEqual([verb, url, name, opens[access].includes(name)]);
        }
      }
    }
  });

  it('knows no other method on any address, token or not', async () => {
    await using server = await start();
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
    for (const path of new Set(routes.map(({ url }) => url))) {
      const declared = routes.filter(({ url }) => url === path).map(({ method }) => method as string);
      if (path === livePath) expect((await ask(server.port, 'HEAD', path, bearer)).status).toBe(404);
      for (const method of methods.filter((one) => !declared.includes(one))) {
        const { status } = await ask(server.port, method, pathOf(path), bearer);
        expect([method, path, status >= 400]).toEqual([method, path, true]);
      }
    }
  });
});

describe('rows 34 to 36: what another page can make a browser do', () => {
  const foreign = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:9' },
    { origin: 'http://localhost.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];

  it('changes nothing, even with the token', async () => {
    await using server = await start();
    for (const { method, url } of routes.filter((route) => route.method !== 'GET')) {
      for (const headers of foreign) {
        const { status } = await ask(server.port, method, pathOf(url), { ...bearer, ...headers }, '{}');
        expect([url, headers, status]).toEqual([url, headers, 403]);
      }
    }
  });

  it('reads nothing: no answer lets another origin in, no preflight passes, and no cookie is there to be sent', async () => {
    await using server = await start();
    for (const { method, url } of routes) {
      for (const headers of foreign) {
        const preflight = { ...headers, 'access-control-request-method': method };
        const answers = [
          await ask(server.port, 'OPTIONS', pathOf(url), preflight),
          await ask(server.port, method, pathOf(url), { ...bearer, ...headers }, method === 'GET' ? '' : '{}'),
        ];
        expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
        for (const answer of answers) {
          const names = Object.keys(answer.headers);
          expect(names.filter((name) => name.startsWith('access-control-') || name === 'set-cookie')).toEqual([]);
        }
      }
    }
  });

  it('is refused the live stream without the token, and every stream under a name that is not ours', async () => {
    await using server = await start();
    for (const headers of [{}, { cookie: `token=${token}` }, { origin: 'https://evil.example' }]) {
      expect((await ask(server.port, 'GET', '/api/v1/live', headers)).status).toBe(401);
    }
    for (const host of ['evil.example', 'localhost.evil.example', 'localhost@evil.example', '127.0.0.1.nip.io', '']) {
      const { status } = await ask(server.port, 'GET', `/api/v1/live?token=${token}`, { host });
      expect([host, status >= 400]).toEqual([host, true]);
    }
    expect((await askRaw(server.port, 'GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(421);
  });

  it('gets the headers that keep scripts and frames out with every answer, also with the refused ones', async () => {
    using place = webDirectory();
    await using server = await start({ webDirectory: place.web });
    const answers: Record<string, RawAnswer> = {
      page: await ask(server.port, 'GET', '/'),
      '400 bad address': await ask(server.port, 'GET', '/%zz<script>'),
      '400 bad body': await ask(server.port, 'POST', '/api/v1/patients', bearer, '{"<script>"'),
      401: await ask(server.port, 'GET', '/api/v1/overview'),
      403: await ask(server.port, 'POST', '/api/v1/patients', { origin: 'null' }, '{}'),
      404: await ask(server.port, 'GET', '/<script>'),
      421: await ask(server.port, 'GET', '/', { host: 'evil.example' }),
      stream: await ask(server.port, 'GET', `/api/v1/live?token=${token}`),
    };
    for (const [name, { status, headers, text }] of Object.entries(answers)) {
      expect([name, status > 0]).toEqual([name, true]);
      const policy = headers['content-security-policy'] ?? '';
      expect([name, policy]).toEqual([name, expect.stringMatching(/default-src 'self'.*frame-ancestors 'none'/)]);
      expect([name, /unsafe|\*/.test(policy)]).toEqual([name, false]);
      expect([name, headers['x-content-type-options'], headers['x-frame-options']]).toEqual([name, 'nosniff', 'DENY']);
      expect([name, text.includes('<script>')]).toEqual([name, false]);
    }
  });
});

describe('row 33: paths out of a directory', () => {
  const ups = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '..\\', '..%5c', '%2e%2e%5c', '.%2e/', '%2e./', '....//']
    .concat(['..;/', '%252e%252e%252f', '..%c0%af', '..%ef%bc%8f', '%c0%ae%c0%ae/', '..%00/', './../', '..%09/'])
    .concat(['%uff0e%uff0e/', '..//']);
  const walks = ups.flatMap((up) => [1, 2, 7].map((depth) => up.repeat(depth)));
  const payloads = (prefixes: readonly string[]) =>
    prefixes.flatMap((prefix) => walks.map((walk) => `${prefix}${walk}secret.txt`));
  const absolute = [
    '//etc/passwd',
    '/%2fetc/passwd',
    '/C:/Windows/win.ini',
    '/%5c%5chost%5cshare',
    '/file:///etc/passwd',
  ]
    .concat(['http://localhost/../secret.txt', '/secret.txt%00.html', '/index.html%00/../../secret.txt'])
    .concat(['/.env', '/%2eenv', '/assets/../.env', '/assets/%2e%2e/.env', '/~root/secret.txt']);

  it('lead nowhere on the static files', async () => {
    using place = webDirectory();
    await using server = await start({ webDirectory: place.web });
    expect((await ask(server.port, 'GET', '/')).text).toContain('page');
    const tries = [...payloads(['/', '/assets/', '/index.html/']), ...absolute];
    expect(tries.length).toBeGreaterThanOrEqual(190);
    for (const path of tries) {
      const { status, text } = await ask(server.port, 'GET', path);
      expect([path, status >= 400, /SECRET|root:/.test(text)]).toEqual([path, true, false]);
    }
  });

  it('lead nowhere where an id is expected', async () => {
    await using server = await start();
    for (const walk of walks) {
      for (const path of [
        `/api/v1/patients/${walk}x/readings`,
        `/api/v1/patients/${walk}x/windows?fromMs=0&untilMs=1`,
      ]) {
        const { status } = await ask(server.port, 'GET', path, bearer);
        expect([path, status]).toEqual([path, expect.toSatisfy((code) => code === 400 || code === 404)]);
      }
    }
  });

  it('lead nowhere in the inbox', async () => {
    using place = temporaryDirectory();
    writeFileSync(join(place.path, 'secret.txt'), 'SECRET');
    await using inbox = await startInbox(
      { directory: join(place.path, 'mails'), smtpPort: 0, httpPort: 0 },
      { clock, logger: silentLogger },
    );
    expect((await ask(inbox.httpPort, 'GET', '/')).status).toBe(200);
    for (const path of [...payloads(['/', '/messages/']), ...absolute]) {
      const { status, text } = await ask(inbox.httpPort, 'GET', path);
      expect([path, status >= 400, /SECRET|root:/.test(text)]).toEqual([path, true, false]);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.1', '']) {
      expect((await ask(inbox.httpPort, 'GET', '/messages.json', { host })).status).toBeGreaterThanOrEqual(400);
    }
  });
});

describe('row 26: clients that want to keep the server busy', () => {
  const head = 'POST /api/v1/patients HTTP/1.1\r\nHost: localhost\r\n';

  it('are cut off when they dribble head or body, while others are served', async () => {
    await using server = await start({ headersTimeoutMs: 200, requestTimeoutMs: 300 });
    const slow = await Promise.all([
      ...Array.from({ length: 50 }, () => hold(server.port, `${head}X-`)),
      ...Array.from({ length: 50 }, () =>
        hold(server.port, `${head}Authorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\n{`),
      ),
      ...Array.from({ length: 50 }, () => hold(server.port, '')),
    ]);
    expect((await ask(server.port, 'GET', '/healthz')).status).toBe(200);
    await Promise.all(slow.map(({ closed }) => closed));
    expect((await ask(server.port, 'GET', '/healthz')).status).toBe(200);
  });

  it('get no more connections than there may be, and leave room when they go', async () => {
    await using server = await start({ connectionsMax: 5 });
    const held = await Promise.all(Array.from({ length: 5 }, () => hold(server.port, 'GET ')));
    expect((await ask(server.port, 'GET', '/healthz')).status).toBe(0);
    for (const one of held) one[Symbol.dispose]();
    await Promise.all(held.map(({ closed }) => closed));
    let status = 0;
    while (status === 0) ({ status } = await ask(server.port, 'GET', '/healthz'));
    expect(status).toBe(200);
  });

  it('are refused a head or a body past its limit, however it is sent', async () => {
    await using server = await start();
    const big = 'x'.repeat(70_000);
    expect((await ask(server.port, 'GET', '/healthz', { 'x-big': big })).status).toBe(431);
    const announced = { ...bearer, 'content-type': 'application/json', 'content-length': '1000000000' };
    expect((await ask(server.port, 'POST', '/api/v1/patients', announced, '{')).status).toBe(413);
    const chunked = `${head}Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`;
    expect((await askRaw(server.port, chunked + chunk)).status).toBe(413);
    expect((await ask(server.port, 'GET', '/healthz')).status).toBe(200);
  });
});

describe('row 38: one request that pretends to be two', () => {
  const second = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
  it.each([
    ['a length and chunks', `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`],
    ['chunks and a length', `Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${second}`],
    ['two lengths', `Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}${second}`],
    ['a signed length', `Content-Length: +2\r\n\r\n{}${second}`],
    ['a coding that only ends in chunked', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${second}`],
    ['chunked twice', `Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${second}`],
    ['a space before the colon', `Content-Length : 2\r\n\r\n{}${second}`],
    ['a folded line', `Content-Length:\r\n 2\r\n\r\n{}${second}`],
    ['a bare line feed', `X-A: b\nContent-Length: 2\r\n\r\n{}${second}`],
    ['a chunk size that is none', `Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${second}`],
  ])('is refused: %s', async (_what, rest) => {
    await using server = await start();
    const answer = await askRaw(server.port, `POST /healthz HTTP/1.1\r\nHost: localhost\r\n${rest}`);
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('"up"');
  });

  it('is not believed about where it comes from', async () => {
    await using server = await start();
    const forged = { 'x-forwarded-host': 'localhost', 'x-forwarded-proto': 'https', forwarded: 'host=localhost' };
    expect((await ask(server.port, 'GET', '/healthz', { ...forged, host: 'evil.example' })).status).toBe(421);
  });
});
