import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { createPrometheusMeter, type LogFields, silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { exchangeRaw, issueTlsMaterial, startTestServer, testAuthority } from './harness.ts';

describe('HTTP handlers', () => {
  it('are chosen by the longest prefix that ends at a segment', async () => {
    const http = {
      '/a': () => new Response('a'),
      '/a/b': () => new Response('a/b'),
      '/slash/': () => new Response('slash'),
    };
    await using server = await startTestServer({ http });
    const get = async (path: string) => {
      const response = await fetch(`${server.url}${path}`);
      return response.status === 200 ? response.text() : response.status;
    };
    expect(await get('/a')).toBe('a');
    expect(await get('/a/c?x=1')).toBe('a');
    expect(await get('/a/b/c')).toBe('a/b');
    expect(await get('/ab')).toBe(404);
    expect(await get('/slash/x')).toBe('slash');
    expect(await get('/a/../a/b')).toBe('a/b');
  });

  it('get the request as it was sent, over either HTTP, and answer with a body of any length', async () => {
    const http = {
      '/echo': async (request: Request, info: object) => {
        const seen = {
          url: request.url,
          method: request.method,
          body: await request.text(),
          cookie: request.headers.get('cookie'),
        };
        return Response.json({ ...seen, ...info }, { status: 201, headers: { 'x-kept': 'yes', 'set-cookie': 'a=b' } });
      },
    };
    await using server = await startTestServer({ http, tls: issueTlsMaterial() });
    const url = `https://localhost:${server.port}`;
    const session = connectHttp2(url, { ca: testAuthority.certificatePem });
    const stream = session.request({ ':method': 'PUT', ':path': '/echo/x?y=%20z', cookie: 'secret=1' });
    stream.end('hello');
    const [headers] = await once(stream, 'response');
    let text = '';
    for await (const piece of stream) text += piece;
    session.close();
    expect(headers).toMatchObject({
      ':status': 201,
      'x-kept': 'yes',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    expect(headers['set-cookie']).toBeUndefined();
    expect(JSON.parse(text)).toEqual({
      url: `${url}/echo/x?y=%20z`,
      method: 'PUT',
      body: 'hello',
      cookie: null,
      remoteAddress: '127.0.0.1',
      http: 'h2',
      tls: 'TLSv1.3',
    });
  });

  it('may stream, and see when the client is gone', async () => {
    const gone = Promise.withResolvers<void>();
    const http = {
      '/stream': (request: Request) => {
        request.signal.addEventListener('abort', () => gone.resolve());
        return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100_000)) }));
      },
    };
    await using server = await startTestServer({ http });
    const response = await fetch(`${server.url}/stream`);
    const reader = response.body?.getReader();
    let bytes = 0;
    while (bytes < 1_000_000) bytes += (await reader?.read())?.value?.length ?? 0;
    await reader?.cancel();
    await gone.promise;
  });

  it('that fail become a 500 that tells nothing, and are logged without what they choked on', async () => {
    const logged: (LogFields | undefined)[] = [];
    const logger = { ...silentLogger, error: (_text: string, fields?: LogFields) => logged.push(fields) };
    const http = {
      '/throws': () => {
        throw new Error('a secret');
      },
      '/breaks': () =>
        new Response(new ReadableStream({ pull: (controller) => controller.error(new Error('a secret')) })),
    };
    await using server = await startTestServer({ http }, { logger });
    const response = await fetch(`${server.url}/throws`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    await expect(fetch(`${server.url}/breaks`).then((answer) => answer.text())).rejects.toThrow();
    expect(logged).toHaveLength(2);
    expect(JSON.stringify(logged)).not.toContain('secret');
  });

  it('past their limit are refused with 503', async () => {
    const release = Promise.withResolvers<Response>();
    await using server = await startTestServer({
      http: { '/wait': () => release.promise },
      limits: { httpActiveMax: 1 },
    });
    const first = fetch(`${server.url}/wait`);
    let second = await fetch(`${server.url}/wait/now`);
    // The first may come second.
    if (second.status === 200) second = await first;
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('2');
    expect(await second.json()).toMatchObject({ code: 'busy', error: expect.stringContaining('httpActiveMax, 1') });
    release.resolve(new Response('done'));
    expect((await first).status).toBe(200);
  });

  it('are not reached by a target that names another host', async () => {
    const seen: string[] = [];
    const http = {
      '/': (request: Request) => {
        seen.push(request.url);
        return new Response('ok');
      },
    };
    await using server = await startTestServer({ http });
    const ask = (target: string, host: string) =>
      exchangeRaw(server.port, `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect(await ask('//evil.example/x', 'a')).toMatch(/^HTTP\/1\.1 (200|404)/);
    expect(await ask('http://evil.example/x', 'a')).toMatch(/^HTTP\/1\.1 4/);
    expect(await ask('/x', 'a/b')).toMatch(/^HTTP\/1\.1 400/);
    expect(await ask('/x', 'user@a')).toMatch(/^HTTP\/1\.1 /);
    for (const url of seen) expect(new URL(url).hostname).toBe('a');
  });
});

describe('the port', () => {
  it('says what there is when asked for something else', async () => {
    await using server = await startTestServer();
    const response = await fetch(`${server.url}/`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      code: 'not-found',
      help: expect.stringContaining('/link/v1/websocket'),
    });
    const get = await fetch(`${server.url}/link/v1/poll`);
    expect(get.status).toBe(405);
    expect(get.headers.get('allow')).toBe('POST');
    for (const query of [
      '',
      '?c=1',
      `?c=${'A'.repeat(32)}`,
      `?c=${'a'.repeat(32)}&wait=-1`,
      `?c=${'a'.repeat(32)}&wait=55001`,
    ]) {
      expect((await fetch(`${server.url}/link/v1/poll${query}`, { method: 'POST' })).status, query).toBe(400);
    }
    const grpc = await fetch(`${server.url}/pulsemesh.link.v1.Link/Session`, { method: 'POST' });
    expect(await grpc.json()).toMatchObject({ code: 'needs-h2' });
    expect(await exchangeRaw(server.port, 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /);
  });

  it('lets pages of allowed origins use the link, and tells others no', async () => {
    await using server = await startTestServer({ origins: ['https://app.example'] });
    const path = `${server.url}/link/v1/poll?c=${'a'.repeat(32)}&wait=0`;
    const ask = (method: string, origin: string) => fetch(path, { method, headers: { origin } });
    const preflight = await ask('OPTIONS', 'https://app.example');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type');
    const allowed = await ask('POST', 'https://app.example');
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    for (const origin of ['https://evil.example', 'null']) {
      const denied = await ask('POST', origin);
      expect(denied.status).toBe(403);
      expect(denied.headers.get('access-control-allow-origin')).toBeNull();
      expect((await ask('OPTIONS', origin)).status).toBe(403);
    }
  });

  it('answers the probes of doctor', async () => {
    await using server = await startTestServer({ limits: { probeBodyBytesMax: 1000 } });
    const probe = `${server.url}/link/v1/probe`;
    const seen = await (await fetch(probe, { headers: { via: '1.1 box' } })).json();
    expect(seen).toMatchObject({
      http: 'http/1.1',
      tls: 'plaintext',
      headersSeen: { via: true, 'x-forwarded-for': false },
    });
    const count = (length: number) => fetch(`${probe}/body`, { method: 'POST', body: new Uint8Array(length) });
    expect(await (await count(1000)).json()).toEqual({ bytes: 1000 });
    expect((await count(1001)).status).toBe(413);
    expect(await (await fetch(`${probe}/drip?count=3&everyMs=1`)).text()).toBe('1\n2\n3\n');
    expect((await fetch(`${probe}/drip?count=1000`)).status).toBe(400);
    expect(await (await fetch(`${probe}/idle?ms=5`)).json()).toEqual({ ms: 5 });
    expect((await fetch(`${probe}/idle?ms=120001`)).status).toBe(400);
    expect((await fetch(`${probe}/idle`)).status).toBe(400);
    expect((await fetch(`${probe}/body`)).status).toBe(405);
  });

  it('counts what it refuses, by code', async () => {
    const meter = createPrometheusMeter();
    await using server = await startTestServer({}, { meter });
    await fetch(`${server.url}/nothing`);
    const text = await meter.text();
    expect(text).toContain('link_server_requests_refused_total{code="not-found"} 1');
    expect(text).toContain('link_server_connections_open 1');
  });

  it('refuses connections past its limits with a sentence in plaintext', async () => {
    const full = await startTestServer({ limits: { connectionsMax: 1 } });
    const first = connect({ host: '127.0.0.1', port: full.port });
    await once(first, 'connect');
    expect(await exchangeRaw(full.port, '')).toMatch(/^HTTP\/1\.1 503 [\s\S]*connectionsMax, 1/);
    first.destroy();
    await full[Symbol.asyncDispose]();
    await using each = await startTestServer({
      limits: { connectionsPerAddressBurst: 2, connectionsPerAddressPerSecond: 0.001 },
    });
    const close = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    const codes = [];
    for (let round = 0; round < 3; round += 1) codes.push((await exchangeRaw(each.port, close)).slice(9, 12));
    expect(codes).toEqual(['404', '404', '429']);
  });

  it('refuses carriers past the limit of one address', async () => {
    await using server = await startTestServer({ limits: { carriersPerAddressMax: 2 } });
    const poll = (digit: string) =>
      fetch(`${server.url}/link/v1/poll?c=${digit.repeat(32)}&wait=0`, { method: 'POST' });
    expect([(await poll('a')).status, (await poll('b')).status]).toEqual([200, 200]);
    const third = await poll('c');
    expect(third.status).toBe(429);
    expect(await third.json()).toMatchObject({ code: 'address-limit' });
    expect((await poll('a')).status).toBe(200);
  });
});
