import { once } from 'node:events';
import { request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { Carrier, CarrierHandler } from '../carrier.ts';
import { FrameReader, framePackets } from '../framing.ts';
import { startTestServer } from './harness.ts';
import type { LinkServer } from './index.ts';
import { parseCarrierQuery } from './link-endpoints.ts';

const id = 'ab'.repeat(16);

interface Seen extends CarrierHandler {
  readonly carriers: Carrier[];
  readonly events: string[];
  /** Resolves when `events` has this many. */
  count(events: number): Promise<void>;
}

/** Takes down what the carriers of a server say. */
function watch(): Seen & { readonly onCarrier: (carrier: Carrier) => void } {
  const carriers: Carrier[] = [];
  const events: string[] = [];
  const waiting: (() => void)[] = [];
  const note = (event: string) => {
    events.push(event);
    for (const wake of waiting.splice(0)) wake();
  };
  const handler: CarrierHandler = {
    onPacket: (packet) => note(`packet ${Buffer.from(packet)}`),
    onWritable: () => note('writable'),
    onLost: () => note('lost'),
    onClosed: (reason) => note(`closed ${reason?.code ?? ''}`.trim()),
  };
  return {
    ...handler,
    carriers,
    events,
    async count(wanted) {
      while (events.length < wanted) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    onCarrier(carrier) {
      carriers.push(carrier);
      carrier.start(handler);
    },
  };
}

async function poll(server: LinkServer, waitMs: number, texts: readonly string[] = []): Promise<string[] | number> {
  const body = framePackets(texts.map((text) => Buffer.from(text)));
  const url = `${server.url}/link/v1/poll?c=${id}&wait=${waitMs}`;
  const response = await fetch(url, { method: 'POST', body: Buffer.from(body) });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) return response.status;
  const packets: string[] = [];
  new FrameReader().push(bytes, (packet) => packets.push(Buffer.from(packet).toString()));
  return packets;
}

describe('a poll', () => {
  it('is answered with all packets of a tick at once', async () => {
    const seen = watch();
    await using server = await startTestServer({}, seen);
    const answer = poll(server, 50_000, ['hello']);
    await seen.count(2);
    expect(seen.events).toEqual(['writable', 'packet hello']);
    const [carrier] = seen.carriers;
    for (const text of ['a', 'b', 'c']) carrier?.send(Buffer.from(text));
    expect(carrier?.isWritable).toBe(true);
    expect(await answer).toEqual(['a', 'b', 'c']);
    expect(carrier?.isWritable).toBe(false);
    carrier?.send(Buffer.from('dropped: nothing waits'));
    expect(await poll(server, 0)).toEqual([]);
  });

  it('is answered empty at its time', async () => {
    const clock = new VirtualClock();
    const seen = watch();
    await using server = await startTestServer({}, { ...seen, clock });
    const answer = poll(server, 25_000, ['first']);
    await seen.count(2);
    await clock.advance(24_999);
    expect(seen.carriers[0]?.isWritable).toBe(true);
    await clock.advance(1);
    expect(await answer).toEqual([]);
  });

  it('that waits is answered empty when a second one comes', async () => {
    const seen = watch();
    await using server = await startTestServer({}, seen);
    const first = poll(server, 50_000);
    await seen.count(1);
    const second = poll(server, 50_000, ['up']);
    expect(await first).toEqual([]);
    await seen.count(3);
    seen.carriers[0]?.send(Buffer.from('down'));
    expect(await second).toEqual(['down']);
    expect(seen.carriers).toHaveLength(1);
  });

  it('whose answer did not get out is told of with the next one', async () => {
    const seen = watch();
    await using server = await startTestServer({ limits: { bufferedBytesMax: 64 * 1024 * 1024 } }, seen);
    const url = `${server.url}/link/v1/poll?c=${id}&wait=50000`;
    const outgoing = request(url, { method: 'POST', agent: false });
    outgoing.on('error', () => {});
    outgoing.end();
    await seen.count(1);
    const [carrier] = seen.carriers;
    // 30 MB, more than the connection holds, so that it is under way when the other end goes.
    const packet = createSeededRandom(1).bytes(200_000);
    const [response] = await Promise.all([once(outgoing, 'response'), Promise.resolve(sendMany(carrier, packet))]);
    response[0].destroy();
    await once(response[0], 'close').catch(() => {});
    const next = poll(server, 0);
    await seen.count(3);
    expect(seen.events).toEqual(['writable', 'lost', 'writable']);
    await next;
  });

  it('nobody sends any more ends its carrier', async () => {
    const clock = new VirtualClock();
    const seen = watch();
    await using server = await startTestServer({}, { ...seen, clock });
    const answer = poll(server, 1000, ['x']);
    await seen.count(2);
    await clock.advance(1000);
    await answer;
    await clock.advance(29_000);
    expect(seen.events).toHaveLength(2);
    await clock.advance(2000);
    expect(seen.events.slice(2)).toEqual(['closed carrier-idle']);
    expect(server.stats.carriers).toBe(0);
  });

  it('under the id of a stream is refused, and what is sent to nobody', async () => {
    await using server = await startTestServer();
    await fetch(`${server.url}/link/v1/stream?c=${id}`, { method: 'POST' });
    expect(await poll(server, 0)).toBe(409);
    const asSse = await fetch(`${server.url}/link/v1/stream?c=${id}&as=sse`, { method: 'POST' });
    expect(asSse.status).toBe(409);
    const other = await fetch(`${server.url}/link/v1/send?c=${'0'.repeat(32)}`, { method: 'POST' });
    expect(other.status).toBe(404);
    expect(await other.json()).toMatchObject({ code: 'unknown-carrier' });
  });

  it('of a carrier that the server closes is answered 410', async () => {
    const seen = watch();
    await using server = await startTestServer({}, seen);
    const answer = poll(server, 50_000);
    await seen.count(1);
    seen.carriers[0]?.close(null);
    expect(await answer).toBe(410);
  });
});

function sendMany(carrier: Carrier | undefined, packet: Uint8Array): void {
  for (let count = 0; count < 150; count += 1) carrier?.send(packet);
}

describe('a stream', () => {
  it('asked for again replaces the one before, and says that packets may be lost', async () => {
    const seen = watch();
    await using server = await startTestServer({}, seen);
    const open = () => fetch(`${server.url}/link/v1/stream?c=${id}`, { method: 'POST' });
    const first = await open();
    const second = await open();
    expect(new Uint8Array(await first.arrayBuffer())).toHaveLength(0);
    expect(seen.events).toEqual(['writable', 'lost', 'writable']);
    seen.carriers[0]?.send(Buffer.from('down'));
    const reader = second.body?.getReader();
    const piece = await reader?.read();
    expect(Buffer.from(piece?.value ?? []).toString()).toContain('down');
    await reader?.cancel();
  });
});

/** Opens a carrier, says one packet, and reads nothing. Resolves once the server knows of the carrier. */
const deafReaders: Readonly<Record<string, (server: LinkServer) => Promise<{ destroy(): void }>>> = {
  async stream(server) {
    const outgoing = request(`${server.url}/link/v1/stream?c=${id}`, { method: 'POST', agent: false });
    outgoing.on('error', () => {});
    outgoing.end(Buffer.from(framePackets([Buffer.from('x')])));
    const [response] = await once(outgoing, 'response');
    response.pause();
    return outgoing;
  },
  async grpc(server) {
    const session = connectHttp2(server.url);
    session.on('error', () => {});
    const headers = {
      ':method': 'POST',
      ':path': '/pulsemesh.link.v1.Link/Session',
      'content-type': 'application/grpc',
    };
    const stream = session.request(headers);
    stream.on('error', () => {});
    stream.write(framePackets([Buffer.from('x')]));
    await once(stream, 'response');
    stream.pause();
    return session;
  },
  async websocket(server) {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/link/v1/websocket`, 'pulsemesh.link.v1');
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.send(Buffer.from('x'));
    socket.pause();
    return { destroy: () => socket.terminate() };
  },
};

describe('a reader that does not read', () => {
  for (const [transport, open] of Object.entries(deafReaders)) {
    it(`of ${transport} costs bounded memory, and its carrier in the end`, async () => {
      const clock = new VirtualClock();
      const seen = watch();
      await using server = await startTestServer({}, { ...seen, clock });
      const reader = await open(server);
      while (!seen.events.includes('packet x')) await seen.count(seen.events.length + 1);
      const [carrier] = seen.carriers;
      const packet = createSystemRandom().bytes(100_000);
      let taken = 0;
      // Fills the buffers of the system, then ours; a full one is writable again only if the system took more.
      for (let turn = 0; turn < 200; turn += 1) {
        while (carrier?.isWritable) {
          carrier.send(packet);
          taken += packet.length;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(carrier?.isWritable).toBe(false);
      expect(taken).toBeLessThan(64 * 1024 * 1024);
      await clock.advance(60_000);
      expect(seen.events.at(-1)).toBe('closed carrier-stalled');
      expect(carrier?.isWritable).toBe(false);
      expect(server.stats.carriers).toBe(0);
      reader.destroy();
    });
  }

  it('of gRPC has its stream cut, too', async () => {
    const clock = new VirtualClock();
    const seen = watch();
    await using server = await startTestServer(
      { limits: { keepAliveMs: 1000, connectionsCheckMs: 100 } },
      { ...seen, clock },
    );
    const session = await deafReaders['grpc']?.(server);
    while (!seen.events.includes('packet x')) await seen.count(seen.events.length + 1);
    for (let count = 0; count < 100; count += 1) seen.carriers[0]?.send(new Uint8Array(200_000));
    await clock.advance(60_000);
    const isOver = once(session as ClientHttp2Session, 'close');
    // 2 s to take the status, then the stream is cut; the connection has none left and is idle.
    await clock.advance(5000);
    await isOver;
  });
});

describe('the server', () => {
  it('drains: polls are answered, nothing new is taken, carriers end in slices', async () => {
    const clock = new VirtualClock();
    const seen = watch();
    await using server = await startTestServer({}, { ...seen, clock });
    const answer = poll(server, 50_000, ['x']);
    const streams = await Promise.all(
      ['1', '2', '3'].map((digit) => fetch(`${server.url}/link/v1/stream?c=${digit.repeat(32)}`, { method: 'POST' })),
    );
    await seen.count(5);
    const drained = server.drain(4000);
    expect(await answer).toEqual([]);
    expect(
      (await fetch(`${server.url}/link/v1/stream?c=${'4'.repeat(32)}`, { method: 'POST' }).catch(() => null))?.status ??
        503,
    ).toBe(503);
    const closed = () => seen.events.filter((event) => event === 'closed carrier-draining').length;
    expect(closed()).toBe(1);
    await clock.advance(1000);
    expect(closed()).toBe(2);
    await clock.advance(3000);
    await drained;
    expect(closed()).toBe(4);
    for (const stream of streams) await stream.arrayBuffer();
  });

  it('disposed at once tells every carrier, and may be disposed again', async () => {
    const seen = watch();
    const server = await startTestServer({}, seen);
    const answer = poll(server, 50_000, ['x']).catch(() => 'cut');
    await seen.count(2);
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    expect(seen.events.at(-1)).toBe('closed carrier-draining');
    expect([410, 'cut']).toContain(await answer);
    expect(server.stats).toMatchObject({ carriers: 0, connections: 0 });
  });

  it('keeps what came before a carrier was started', async () => {
    const carriers: Carrier[] = [];
    await using server = await startTestServer({}, { onCarrier: (carrier) => carriers.push(carrier) });
    const answer = poll(server, 0, ['one', 'two']);
    await answer;
    const [carrier] = carriers;
    const packets: string[] = [];
    carrier?.close(null);
    const ends: unknown[] = [];
    carrier?.start({
      onPacket: (packet) => packets.push(Buffer.from(packet).toString()),
      onWritable() {},
      onClosed: (reason) => ends.push(reason),
    });
    expect(packets).toEqual(['one', 'two']);
    expect(ends).toEqual([null]);
  });
});

describe('the query of a carrier', () => {
  it('is read strictly', () => {
    const read = (query: string) => parseCarrierQuery(query, 55_000);
    expect(read(`c=${id}`)).toEqual({ id, waitMs: 0, isSse: false, isUpload: false });
    expect(read(`wait=20&c=${id}&as=sse&x=1`)).toEqual({ id, waitMs: 20, isSse: true, isUpload: false });
    expect(read(`c=${id}&as=upload`)).toEqual({ id, waitMs: 0, isSse: false, isUpload: true });
    for (const query of ['', 'c=', `c=${id}0`, `c=${id.toUpperCase()}`, `C=${id}`, `c=../${id}`]) {
      expect(read(query), query).toMatchObject({ code: 'carrier-id' });
    }
    for (const wait of ['x', '-1', '1e3', '55001', '999999', '', ' 1']) {
      expect(read(`c=${id}&wait=${wait}`), wait).toMatchObject({ code: 'query' });
    }
  });
});
