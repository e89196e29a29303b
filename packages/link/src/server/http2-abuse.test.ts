import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { createSeededRandom, type Random } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../framing.ts';
import { readToEnd, startTestServer } from './harness.ts';
import { h2Frame, literalHeaders } from './raw-http2.ts';

const id = 'ab'.repeat(16);
const pollPath = `/link/v1/poll?c=${id}&wait=0`;
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), h2Frame(4, 0, 0, Buffer.alloc(0))]);

describe('HTTP/2 that is abused', () => {
  it('twenty thousand resets end the connection, and others are served meanwhile', async () => {
    await using server = await startTestServer();
    const session = connectHttp2(server.url);
    session.on('error', () => {});
    // `once` of node:events would reject with the error that this is about.
    const isOver = new Promise((resolve) => session.once('close', resolve));
    let opened = 0;
    const flood = () => {
      for (let burst = 0; burst < 100 && opened < 20_000 && !session.destroyed && !session.closed; burst += 1) {
        const stream = session.request({ ':method': 'POST', ':path': pollPath }, { endStream: false });
        stream.on('error', () => {});
        stream.close(constants.NGHTTP2_CANCEL);
        opened += 1;
      }
      if (opened < 20_000 && !session.destroyed) setImmediate(flood);
    };
    await once(session, 'remoteSettings');
    flood();
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
    await isOver;
    expect(opened).toBeLessThan(20_000);
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
  });

  it('a reset at any moment harms nobody and leaves nothing behind', async () => {
    await using server = await startTestServer({ http: { '/slow': () => new Response('a'.repeat(100_000)) } });
    const session = connectHttp2(server.url);
    await once(session, 'remoteSettings');
    const post = { ':method': 'POST', 'content-type': 'application/grpc' };
    const connectTo = { ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-protocol': 'pulsemesh.link.v1' };
    const requests: readonly (readonly [object, boolean])[] = [
      [{ ...post, ':path': '/pulsemesh.link.v1.Link/Session' }, false],
      [{ ...connectTo, ':path': '/link/v1/websocket' }, false],
      [{ ...post, ':path': `/link/v1/stream?c=${id}` }, true],
      [{ ...post, ':path': `/link/v1/stream?c=${'cd'.repeat(16)}&as=sse` }, true],
      [{ ...post, ':path': pollPath.replace('wait=0', 'wait=50000') }, true],
      [{ ':path': '/link/v1/probe/drip?count=3' }, true],
      [{ ':path': '/slow' }, true],
      [{ ...post, ':path': '/slow' }, false],
    ];
    // Resets with the headers, a turn later, and once the answer has begun.
    const moments = [
      () => Promise.resolve(),
      () => new Promise((resolve) => setImmediate(resolve)),
      (stream: ClientHttp2Stream) => Promise.race([once(stream, 'response'), fetch(`${server.url}/link/v1/probe`)]),
    ];
    for (const [headers, endStream] of requests) {
      for (const moment of moments) {
        const stream = session.request(headers as OutgoingHttpHeaders, { endStream });
        stream.on('error', () => {});
        const isOver = new Promise((resolve) => stream.once('close', resolve));
        await moment(stream);
        stream.resume();
        stream.close(constants.NGHTTP2_CANCEL);
        await isOver;
      }
    }
    session.destroy();
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
    // Those that one request makes end with it; a stream that several can join waits for the next.
    expect(server.stats.carriers).toBeLessThanOrEqual(3);
  });

  it('a reset that comes with the headers, in one piece, harms nobody', async () => {
    await using server = await startTestServer({ http: { '/text': () => new Response('text') } });
    const requests: readonly Readonly<Record<string, string>>[] = [
      { ':method': 'POST', ':path': '/pulsemesh.link.v1.Link/Session', 'content-type': 'application/grpc' },
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/link/v1/websocket',
        'sec-websocket-protocol': 'pulsemesh.link.v1',
      },
      { ':method': 'POST', ':path': `/link/v1/stream?c=${id}`, 'content-length': '0' },
      { ':method': 'POST', ':path': pollPath, 'content-length': '0' },
      { ':method': 'GET', ':path': '/link/v1/probe/drip' },
      { ':method': 'GET', ':path': '/text' },
    ];
    const frames = requests.map((headers, index) => {
      const stream = index * 2 + 1;
      const all = { ...headers, ':scheme': 'http', ':authority': 'x' };
      const isBodyless = headers['content-length'] === '0' || headers[':method'] === 'GET';
      return Buffer.concat([
        h2Frame(1, isBodyless ? 0x05 : 0x04, stream, literalHeaders(all)),
        h2Frame(3, 0, stream, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL])),
      ]);
    });
    const socket = connect({ host: '127.0.0.1', port: server.port });
    // A ping behind it all: its answer says that everything before was seen.
    socket.write(Buffer.concat([preface, ...frames, h2Frame(6, 0, 0, Buffer.from('the end.'))]));
    let answer = '';
    while (!answer.includes('the end.')) {
      const [piece] = await once(socket, 'data');
      answer += piece.toString('latin1');
    }
    expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
    socket.destroy();
  });

  it('more streams than allowed wait or are refused, the connection lives', async () => {
    await using server = await startTestServer({ limits: { h2StreamsMax: 4 } });
    const session = connectHttp2(server.url);
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).toBe(4);
    session.destroy();
  });

  it('a header list over the limit is refused', async () => {
    await using server = await startTestServer({ limits: { headBytesMax: 2048, headersMax: 16 } });
    const session = connectHttp2(server.url);
    session.on('error', () => {});
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`x-${index}`, 'a'.repeat(100)]));
    const stream = session.request({ ':path': '/link/v1/probe', ...many });
    stream.on('error', () => {});
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.rstCode).not.toBe(0);
    session.destroy();
  });

  it('an idle connection is closed, one with a stream open is not', async () => {
    await using server = await startTestServer({ limits: { keepAliveMs: 40, connectionsCheckMs: 10 } });
    const busy = connectHttp2(server.url);
    const stream = busy.request({ ':method': 'POST', ':path': `/link/v1/stream?c=${id}` }, { endStream: true });
    await once(stream, 'response');
    const idle = connectHttp2(server.url);
    await once(idle, 'close');
    expect(busy.closed).toBe(false);
    busy.destroy();
  });
});

describe('bytes damaged at random', () => {
  const packets = Buffer.from(framePackets([Buffer.from('one'), Buffer.from('two')]));
  const grpc = {
    ':method': 'POST',
    ':path': '/pulsemesh.link.v1.Link/Session',
    ':scheme': 'http',
    ':authority': 'x',
    'content-type': 'application/grpc',
  };
  const whole: Readonly<Record<string, Buffer>> = {
    gRPC: Buffer.concat([
      preface,
      h2Frame(1, 4, 1, literalHeaders(grpc)),
      h2Frame(0, 0, 1, packets),
      h2Frame(0, 1, 1, packets),
    ]),
    poll: Buffer.concat([
      Buffer.from(`POST ${pollPath} HTTP/1.1\r\nhost: x\r\ncontent-length: ${packets.length}\r\n\r\n`),
      packets,
    ]),
    websocket: Buffer.concat([
      Buffer.from(
        'GET /link/v1/websocket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n' +
          'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: pulsemesh.link.v1\r\n\r\n',
      ),
      Buffer.from('828300000000616263', 'hex'),
      Buffer.from('898000000000', 'hex'),
    ]),
  };
  for (const [name, bytes] of Object.entries(whole)) {
    it(`of ${name} end that connection at most`, async () => {
      const limits = { headersMs: 100, requestMs: 100, connectionsCheckMs: 20, firstPacketMs: 100, carrierIdleMs: 100 };
      await using server = await startTestServer({ limits });
      const random = createSeededRandom(7);
      const rounds = Array.from({ length: 150 }, () => damaged(bytes, random));
      const answers = rounds.map((piece) => {
        const socket = connect({ host: '127.0.0.1', port: server.port });
        const answer = readToEnd(socket);
        socket.end(piece);
        return answer;
      });
      await Promise.all(answers);
      expect((await fetch(`${server.url}/link/v1/probe`)).status).toBe(200);
    });
  }
});

/** The bytes with some changed, cut out, doubled or at the end missing. */
function damaged(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let count = random.integer(4); count >= 0; count -= 1) copy[random.integer(copy.length)] = random.integer(256);
  const [from = 0, to = 0] = [random.integer(copy.length), random.integer(copy.length)].sort(
    (one, other) => one - other,
  );
  switch (random.integer(4)) {
    case 0:
      return copy.subarray(0, to);
    case 1:
      return Buffer.concat([copy.subarray(0, from), copy.subarray(to)]);
    case 2:
      return Buffer.concat([copy.subarray(0, to), copy.subarray(from)]);
    default:
      return copy;
  }
}
