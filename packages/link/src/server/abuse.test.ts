import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../framing.ts';
import { exchangeRaw, readToEnd, silentHandler, startTestServer } from './harness.ts';

const id = 'ab'.repeat(16);
const pollPath = `/link/v1/poll?c=${id}&wait=0`;

/** Status and code of a raw answer, `closed` where there was none. */
function outcome(answer: string): string {
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
  const [, code] = /"code":"([a-z0-9-]+)"/.exec(answer) ?? [];
  return status === undefined ? 'closed' : `${status} ${code ?? ''}`.trim();
}

function openSocket(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => {});
  return socket;
}

describe('requests that could be read in two ways', () => {
  const post = (headers: string, body: string) =>
    `POST ${pollPath} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${headers}\r\n\r\n${body}`;
  const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n';
  const table: readonly (readonly [string, string])[] = [
    ['both lengths', post('content-length: 5\r\ntransfer-encoding: chunked', `0\r\n\r\n${smuggled}`)],
    ['both lengths, chunked first', post('transfer-encoding: chunked\r\ncontent-length: 5', `0\r\n\r\n${smuggled}`)],
    ['two lengths that differ', post('content-length: 0\r\ncontent-length: 38', smuggled)],
    ['two lengths in one field', post('content-length: 0, 38', smuggled)],
    ['a length with a sign', post('content-length: +0', smuggled)],
    ['a negative length', post('content-length: -1', smuggled)],
    ['a length in hexadecimal', post('content-length: 0x0', smuggled)],
    ['a length with a space inside', post('content-length: 3 8', smuggled)],
    ['chunked under another name', post('transfer-encoding: xchunked', `0\r\n\r\n${smuggled}`)],
    ['chunked that is not the last coding', post('transfer-encoding: chunked, identity', `0\r\n\r\n${smuggled}`)],
    ['chunked twice', post('transfer-encoding: chunked\r\ntransfer-encoding: identity', `0\r\n\r\n${smuggled}`)],
    ['space before the colon', post('transfer-encoding : chunked', `0\r\n\r\n${smuggled}`)],
    ['a folded field', post('x: 1\r\n transfer-encoding: chunked\r\ncontent-length: 0', smuggled)],
    ['a bare line feed in the head', post('x: 1\ntransfer-encoding: chunked', `0\r\n\r\n${smuggled}`)],
    ['a NUL in a value', post('x: a\0b\r\ncontent-length: 0', smuggled)],
    ['a chunk size with a sign', post('transfer-encoding: chunked', `+0\r\n\r\n${smuggled}`)],
    ['a chunk size past 64 bits', post('transfer-encoding: chunked', `${'f'.repeat(17)}\r\n${smuggled}`)],
    ['a chunk that ends with a bare line feed', post('transfer-encoding: chunked', `1\na\n0\r\n\r\n${smuggled}`)],
    ['no host', 'GET /link/v1/probe HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['two hosts', 'GET /link/v1/probe HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n'],
    ['an unknown version', 'GET /link/v1/probe HTTP/3.7\r\nhost: a\r\n\r\n'],
    ['a method in lower case', 'get /link/v1/probe HTTP/1.1\r\nhost: a\r\n\r\n'],
  ];
  for (const [name, request] of table) {
    it(`refuses ${name}, and what follows is no second request`, async () => {
      await using server = await startTestServer({ limits: { requestMs: 500, connectionsCheckMs: 50 } });
      const answer = await exchangeRaw(server.port, Buffer.from(request, 'latin1'));
      expect(outcome(answer)).toBe('400 bad-request');
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    });
  }

  it('believes X-Forwarded-For from trusted proxies only, and only its last own entry', async () => {
    const addresses: (string | undefined)[] = [];
    const onCarrier = (carrier: { connection: { remoteAddress?: string }; start(handler: object): void }) => {
      addresses.push(carrier.connection.remoteAddress);
      carrier.start(silentHandler);
    };
    const ask = async (url: string, forwarded: string, carrier: string) => {
      const headers = { 'x-forwarded-for': forwarded };
      await fetch(`${url}/link/v1/poll?c=${carrier.repeat(32)}&wait=0`, { method: 'POST', headers });
    };
    await using plain = await startTestServer({}, { onCarrier });
    await ask(plain.url, '203.0.113.7', 'a');
    await using behind = await startTestServer({ trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] }, { onCarrier });
    await ask(behind.url, '198.51.100.1, 203.0.113.7, 10.1.2.3', 'a');
    await ask(behind.url, 'not an address', 'b');
    await ask(behind.url, '198.51.100.1, unknown, 10.1.2.3', 'c');
    expect(addresses).toEqual(['127.0.0.1', '203.0.113.7', '127.0.0.1', '10.1.2.3']);
  });
});

describe('requests that are slow', () => {
  const limits = { headersMs: 100, requestMs: 200, connectionsCheckMs: 20 };

  it('a head that drips ends in a clear refusal, while others are served', async () => {
    await using server = await startTestServer({ limits });
    const slow = Array.from({ length: 50 }, () => {
      const socket = openSocket(server.port);
      const answer = readToEnd(socket);
      socket.write(`POST ${pollPath} HTTP/1.1\r\nhost: x\r\nx-a: `);
      return answer;
    });
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
    for (const answer of await Promise.all(slow)) expect(outcome(answer)).toBe('408 too-slow');
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
  });

  it('a body that does not come ends in a clear refusal', async () => {
    await using server = await startTestServer({ limits });
    const head = `POST ${pollPath} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nab`;
    expect(outcome(await exchangeRaw(server.port, head))).toBe('408 too-slow');
  });

  it('a body that does not come over HTTP/2 ends in a clear refusal', async () => {
    await using server = await startTestServer({ limits });
    const session = connectHttp2(server.url);
    const stream = session.request({ ':method': 'POST', ':path': pollPath });
    stream.on('error', () => {});
    stream.write('ab');
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(408);
    session.destroy();
  });

  it('a carrier over which nothing comes is closed', async () => {
    const reasons: (string | undefined)[] = [];
    const onCarrier = (carrier: { start(handler: object): void }) =>
      carrier.start({ ...silentHandler, onClosed: (reason: { code: string } | null) => reasons.push(reason?.code) });
    await using server = await startTestServer({ limits: { firstPacketMs: 30 } }, { onCarrier });
    const response = await fetch(`${server.url}/link/v1/stream?c=${id}`, { method: 'POST' });
    expect((await response.arrayBuffer()).byteLength).toBe(0);
    expect(reasons).toEqual(['carrier-silent']);
  });

  it('slowhttptest finds no way to keep others out', async () => {
    await using server = await startTestServer({ limits: { ...limits, headersMs: 500, requestMs: 1000 } });
    for (const kind of ['-H', '-B']) {
      const flags = [kind, '-c', '300', '-r', '300', '-i', '1', '-l', '4', '-p', '2', '-u', server.url];
      const child = spawn('/usr/bin/slowhttptest', flags, { stdio: ['ignore', 'pipe', 'ignore'] });
      let text = '';
      child.stdout.on('data', (piece: Buffer) => {
        text += piece;
      });
      const isOver = once(child, 'exit');
      await once(child.stdout, 'data');
      expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
      await isOver;
      expect(text, kind).toContain('No open connections left');
      expect(text, kind).not.toMatch(/service available:\s+\S*NO/);
    }
  });
});

describe('requests that are large', () => {
  it('a body over the limit is answered 413 with the limit, and the connection lives on', async () => {
    await using server = await startTestServer({ limits: { bodyBytesMax: 1000 } });
    const send = (length: number) =>
      fetch(`${server.url}${pollPath}`, { method: 'POST', body: new Uint8Array(length) });
    for (const length of [1001, 100_000, 3_000_000]) {
      const response = await send(length);
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({
        code: 'too-large',
        error: expect.stringContaining('bodyBytesMax, 1000'),
      });
    }
    expect((await send(0)).status).toBe(200);
  });

  it('a body without end is cut', async () => {
    await using server = await startTestServer({ limits: { bodyBytesMax: 1000 } });
    const socket = openSocket(server.port);
    const answer = readToEnd(socket);
    socket.write(`POST ${pollPath} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const pump = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', pump);
    pump();
    expect(outcome(await answer)).toMatch(/^(413 too-large|closed)$/);
    expect(socket.bytesWritten).toBeLessThan(16 * 1024 * 1024);
  });

  it('a frame over the limit ends a poll and what it carries', async () => {
    await using server = await startTestServer({ limits: { packetBytesMax: 100 } });
    await fetch(`${server.url}/link/v1/stream?c=${id}`, { method: 'POST' });
    for (const body of [framePackets([new Uint8Array(101)]), new Uint8Array([1, 0, 0, 0, 1, 0]), new Uint8Array(3)]) {
      const response = await fetch(`${server.url}/link/v1/send?c=${id}`, { method: 'POST', body: Buffer.from(body) });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'malformed' });
    }
  });

  it('compressed bodies are refused unopened, whatever is in them', async () => {
    await using server = await startTestServer({
      http: { '/echo': async (request) => new Response(await request.text()) },
    });
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    for (const path of [pollPath, '/echo', '/link/v1/probe/body', `/link/v1/send?c=${id}`]) {
      for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip']) {
        const headers = { 'content-encoding': encoding };
        const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: bomb });
        expect(response.status, `${path} ${encoding}`).toBe(415);
        expect(await response.json()).toMatchObject({ code: 'compressed' });
      }
    }
  });

  it('nothing is ever answered compressed', async () => {
    await using server = await startTestServer({ http: { '/text': () => new Response('a'.repeat(100_000)) } });
    const headers = { 'accept-encoding': 'gzip, br' };
    for (const path of ['/text', '/link/v1/probe', '/nothing']) {
      const response = await fetch(`${server.url}${path}`, { headers });
      expect(response.headers.get('content-encoding')).toBeNull();
      await response.body?.cancel();
    }
  });

  it('a head over the limit, in bytes or fields, is answered 431', async () => {
    await using server = await startTestServer({ limits: { headBytesMax: 4096, headersMax: 20 } });
    const long = `GET /link/v1/probe HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(5000)}\r\n\r\n`;
    expect(outcome(await exchangeRaw(server.port, long))).toBe('431 head-too-large');
    const fields = Array.from({ length: 30 }, (_, index) => `x${index}: 1`).join('\r\n');
    const many = `GET /link/v1/probe HTTP/1.1\r\nhost: x\r\n${fields}\r\n\r\n`;
    expect(outcome(await exchangeRaw(server.port, many))).toBe('431 head-too-large');
  });
});
