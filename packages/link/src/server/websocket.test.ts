import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { messagePieces } from '../websocket-frames.ts';
import { exchangeRaw, issueTlsMaterial, startTestServer, testAuthority } from './harness.ts';

const path = '/link/v1/websocket';
const protocol = 'pulsemesh.link.v1';
const ca = testAuthority.certificatePem;

/** The status an upgrade is refused with, and the refusal; 101 where it is not. */
async function upgrade(url: string, options: object = {}, protocols: string[] = [protocol]): Promise<[number, string]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, protocols, { ca, ...options });
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('open', () => {
      socket.terminate();
      resolve([101, '']);
    });
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (piece: Buffer) => {
        text += piece;
      });
      response.on('end', () => {
        socket.terminate();
        resolve([response.statusCode ?? 0, JSON.parse(text).code]);
      });
    });
  });
}

describe('a WebSocket handshake', () => {
  it('from a page is taken from allowed origins and our own only', async () => {
    const tls = issueTlsMaterial();
    await using server = await startTestServer({ tls, origins: ['https://app.example'] });
    const url = `https://localhost:${server.port}`;
    const table: readonly (readonly [string | undefined, number])[] = [
      [undefined, 101],
      ['https://app.example', 101],
      [url, 101],
      ['https://evil.example', 403],
      ['https://app.example.evil.example', 403],
      ['https://app.example:444', 403],
      ['http://app.example', 403],
      [`http://localhost:${server.port}`, 403],
      ['null', 403],
      ['', 403],
    ];
    for (const [origin, status] of table) {
      const headers = origin === undefined ? {} : { headers: { origin } };
      expect(await upgrade(url, headers), origin ?? 'none').toEqual([status, status === 403 ? 'origin' : '']);
    }
  });

  it('in plaintext counts as our own page only where we are asked for by address', async () => {
    await using server = await startTestServer();
    const own = { headers: { origin: server.url } };
    expect(await upgrade(server.url, own)).toEqual([101, '']);
    const rebound = {
      headers: { origin: `http://rebound.example:${server.port}`, host: `rebound.example:${server.port}` },
    };
    expect(await upgrade(server.url, rebound)).toEqual([403, 'origin']);
  });

  it('needs the subprotocol, and the right path', async () => {
    await using server = await startTestServer();
    expect(await upgrade(server.url, {}, [])).toEqual([400, 'subprotocol']);
    expect(await upgrade(server.url, {}, ['pulsemesh.link.v2'])).toEqual([400, 'subprotocol']);
    expect(await upgrade(server.url, {}, ['other', protocol])).toEqual([101, '']);
    const head = `GET /other HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n`;
    expect(await exchangeRaw(server.port, head)).toMatch(/^HTTP\/1\.1 404 /);
    const broken = `GET ${path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`;
    expect(await exchangeRaw(server.port, broken)).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"handshake"/);
  });

  it('never agrees to compression', async () => {
    await using server = await startTestServer();
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, protocol, { perMessageDeflate: true });
    await once(socket, 'open');
    expect(socket.extensions).toBe('');
    socket.terminate();
  });

  it('another upgrade is served as the request it is', async () => {
    await using server = await startTestServer();
    const head = 'GET /link/v1/probe HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n';
    expect(await exchangeRaw(server.port, head)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('over HTTP/2 is judged by the same rules', async () => {
    await using server = await startTestServer({ limits: { carriersMax: 1 } });
    const session = connectHttp2(server.url);
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const ask = async (headers: object) => {
      const stream = session.request(
        {
          ':method': 'CONNECT',
          ':protocol': 'websocket',
          ':path': path,
          'sec-websocket-protocol': protocol,
          ...headers,
        },
        { endStream: false },
      );
      stream.on('error', () => {});
      const [answer] = await once(stream, 'response');
      return answer[':status'];
    };
    expect(await ask({ origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ 'sec-websocket-protocol': 'other' })).toBe(400);
    expect(await ask({ 'sec-websocket-version': '8' })).toBe(400);
    expect(await ask({ ':path': '/other' })).toBe(404);
    expect(await ask({ ':protocol': 'other' })).toBe(405);
    expect(await ask({})).toBe(200);
    expect(await ask({})).toBe(503);
    session.destroy();
  });
});

describe('a WebSocket', () => {
  async function open(url: string): Promise<WebSocket> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, protocol);
    await once(socket, 'open');
    return socket;
  }

  it('with a message over the limit is closed with 1009, before it is read whole', async () => {
    await using server = await startTestServer({ limits: { packetBytesMax: 1000 } });
    const socket = await open(server.url);
    socket.send(new Uint8Array(1001));
    const [code] = await once(socket, 'close');
    expect(code).toBe(1009);
  });

  it('with text is closed with 1003', async () => {
    await using server = await startTestServer();
    const socket = await open(server.url);
    socket.send('text');
    const [code] = await once(socket, 'close');
    expect(code).toBe(1003);
  });

  it('answers pings', async () => {
    await using server = await startTestServer();
    const socket = await open(server.url);
    socket.ping('are you there');
    const [data] = await once(socket, 'pong');
    expect(String(data)).toBe('are you there');
    socket.terminate();
  });

  it('writes frames that ws reads as the same messages', async () => {
    const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...lengths), { minLength: 1, maxLength: 6 }), async (chosen) => {
        const packets = chosen.map((length, index) => new Uint8Array(length).fill(index + 1));
        expect(await readWithWs(Buffer.concat(messagePieces(packets)), packets.length)).toEqual(
          packets.map((each) => Buffer.from(each)),
        );
      }),
      { numRuns: 30 },
    );
  });
});

/** What a client of `ws` makes of these bytes. */
function readWithWs(bytes: Uint8Array, count: number): Promise<Buffer[]> {
  const Receiving = WebSocket as unknown as new (
    address: null,
    protocols: undefined,
    options: object,
  ) => WebSocket & { _isServer: boolean; setSocket(socket: PassThrough, head: Buffer, options: object): void };
  const socket = new Receiving(null, undefined, { autoPong: false });
  socket._isServer = false;
  const wire = new PassThrough();
  socket.setSocket(wire, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 0 });
  const messages: Buffer[] = [];
  return new Promise((resolve) => {
    socket.on('message', (data) => {
      if (messages.push(data as Buffer) === count) resolve(messages);
    });
    wire.write(bytes);
  });
}
