import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Carrier } from '../carrier.ts';
import { FrameReader, framePackets } from '../framing.ts';
import { silentHandler, startTestServer } from './harness.ts';
import type { LinkServer } from './index.ts';
import type { LinkServerLimits } from './limits.ts';

const id = 'cd'.repeat(16);
const empty = new Uint8Array(0);

function post(server: LinkServer, path: string, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const { port } = new URL(server.url);
  const outgoing = request({ port, method: 'POST', path: `/link/v1/${path}`, headers, agent: false });
  outgoing.on('error', () => {});
  return outgoing;
}

async function answerOf(outgoing: ClientRequest): Promise<number> {
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  incoming.resume();
  return incoming.statusCode ?? 0;
}

/** A stream carrier, what it is told, and an upload that has begun. */
async function open(limits: Partial<LinkServerLimits> = {}) {
  const told: string[] = [];
  const waiting: (() => void)[] = [];
  const heard: string[] = [];
  const note = (list: string[], text: string) => {
    list.push(text);
    for (const wake of waiting.splice(0)) wake();
  };
  const handler = {
    ...silentHandler,
    onPacket: (packet: Uint8Array) => note(told, Buffer.from(packet).toString()),
    onClosed: () => note(told, 'closed'),
  };
  const accepted = Promise.withResolvers<Carrier>();
  const server = await startTestServer(
    { limits },
    {
      onCarrier: (carrier) => {
        carrier.start(handler);
        accepted.resolve(carrier);
      },
    },
  );
  const stream = post(server, `stream?c=${id}`);
  stream.end();
  const reader = new FrameReader();
  stream.on('response', (incoming: IncomingMessage) => {
    incoming.on('error', () => {});
    incoming.on('data', (piece: Buffer) => reader.push(piece, (packet) => note(heard, `${packet.length} bytes`)));
  });
  const carrier = await accepted.promise;
  const upload = post(server, `send?c=${id}&as=upload`);
  const until = async (list: string[], count: number) => {
    while (list.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return list;
  };
  return {
    server,
    carrier,
    told: (count: number) => until(told, count),
    heard: (count: number) => until(heard, count),
    upload,
    async [Symbol.asyncDispose]() {
      stream.destroy();
      upload.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const frames = (...texts: readonly string[]) => framePackets(texts.map((text) => Buffer.from(text)));

describe('an upload', () => {
  it('has its knock answered on the stream, once, and gives its packets as they come', async () => {
    await using opened = await open();
    opened.upload.write(framePackets([empty, empty, Buffer.from('one')]));
    expect(await opened.told(1)).toEqual(['one']);
    opened.upload.write(frames('two', 'three').subarray(0, 10));
    expect(await opened.told(2)).toEqual(['one', 'two']);
    opened.upload.end(frames('two', 'three').subarray(10));
    expect(await answerOf(opened.upload)).toBe(204);
    expect(await opened.told(3)).toEqual(['one', 'two', 'three']);
    opened.carrier.send(new Uint8Array(9));
    expect(await opened.heard(2)).toEqual(['0 bytes', '9 bytes']);
  });

  it('that ends in the middle of a packet, or is none, is refused; what came before counts', async () => {
    await using opened = await open();
    opened.upload.end(frames('one', 'two').subarray(0, 12));
    expect(await answerOf(opened.upload)).toBe(400);
    expect(await opened.told(1)).toEqual(['one']);
    const wrong = post(opened.server, `send?c=${id}&as=upload`);
    wrong.write(Uint8Array.of(1, 0, 0, 0, 0));
    await Promise.race([once(wrong, 'response'), once(wrong, 'close')]);
    const compressed = post(opened.server, `send?c=${id}&as=upload`, { 'content-encoding': 'gzip' });
    compressed.end();
    expect(await answerOf(compressed)).toBe(415);
  });

  it('of a carrier that is not there, or of another kind, is refused', async () => {
    await using opened = await open();
    const unknown = post(opened.server, `send?c=${'ef'.repeat(16)}&as=upload`);
    unknown.end();
    expect(await answerOf(unknown)).toBe(404);
    const poll = post(opened.server, `poll?c=${'ef'.repeat(16)}&wait=0`);
    poll.end();
    expect(await answerOf(poll)).toBe(200);
    const other = post(opened.server, `send?c=${'ef'.repeat(16)}&as=upload`);
    other.end();
    expect(await answerOf(other)).toBe(409);
  });

  it('that takes longer than a request may is cut', async () => {
    await using opened = await open({ requestMs: 100, connectionsCheckMs: 20 });
    opened.upload.write(framePackets([empty]));
    expect(await opened.heard(1)).toEqual(['0 bytes']);
    await once(opened.upload, 'close');
  });

  it('with a packet over the limit is cut', async () => {
    await using opened = await open({ packetBytesMax: 100 });
    opened.upload.write(framePackets([new Uint8Array(101)]));
    await once(opened.upload, 'close');
  });
});
