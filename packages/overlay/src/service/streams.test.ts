import type { Connection, Stream } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { encodeCbor, encodeFrame } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { codecLimits, DescriptorMemory, encodeMessages } from '../codec.ts';
import { createDescriptor } from '../descriptor.ts';
import type { Message } from '../message.ts';
import { InboundStream } from './inbound-stream.ts';
import { PeerLink } from './peer-link.ts';

const probe = (nonce: number): Message => ({ kind: 'probe', nonce, isReply: false });
const frameOf = (...messages: Message[]) => encodeFrame(encodeMessages(messages));

/** Both ends of a stream, and what the reader reads of it. */
async function readStream() {
  const [near, far] = await streamPair();
  const read: Message[] = [];
  const faults: unknown[] = [];
  const checked: number[] = [];
  const inbound = new InboundStream(far, new DescriptorMemory(), {
    onMessages: (messages) => read.push(...messages),
    onMalformed: (error, signatures) => {
      faults.push(error);
      checked.push(signatures);
    },
  });
  return { near, far, read, faults, checked, inbound };
}

/** A link whose streams are the given ones, one after the other; at the end of them none can be opened. */
function linkOver(streams: Stream[], outboundBytesMax = 1_000_000) {
  const dropped: Message[] = [];
  let opened = 0;
  let nowMs = 0;
  const link = new PeerLink('peer' as PeerId, {
    outboundBytesMax,
    openStream: async () => {
      const stream = streams[opened];
      opened += 1;
      if (stream === undefined) throw new Error('none left');
      return stream;
    },
    onDropped: (messages) => dropped.push(...messages),
    onOpenFailed: () => {},
    monotonicMs: () => nowMs,
  });
  link.connection = {} as Connection; // only handed to openStream
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { link, dropped, openedCount: () => opened, advance };
}

describe('an inbound stream', () => {
  it('reads messages however the frames are cut', async () => {
    const { near, read } = await readStream();
    const bytes = [frameOf(probe(1), probe(2)), frameOf(probe(3))].flatMap((frame) => [...frame]);
    for (const byte of bytes) near.send(Uint8Array.of(byte));
    await expect.poll(() => read).toEqual([probe(1), probe(2), probe(3)]);
  });

  it('reads nothing while paused, and everything in order afterwards', async () => {
    const { near, read, inbound } = await readStream();
    near.send(frameOf(probe(1)));
    await expect.poll(() => read).toHaveLength(1);
    inbound.pause();
    near.send(frameOf(probe(2)));
    near.send(frameOf(probe(3)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(read).toHaveLength(1);
    inbound.resume();
    await expect.poll(() => read).toEqual([probe(1), probe(2), probe(3)]);
  });

  it.each([
    ['what is no message', encodeFrame(Uint8Array.of(0xff))],
    ['a frame past the limit', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
    ['an announced length past the limit', encodeFrame(new Uint8Array(codecLimits.frameBytesMax + 1)).subarray(0, 8)],
  ])('ends with %s', async (_what, bytes) => {
    const { near, far, read, faults } = await readStream();
    near.send(bytes);
    await expect.poll(() => faults).toHaveLength(1);
    expect(far.status).toBe('aborted');
    expect(read).toEqual([]);
  });
});

it('an inbound stream says what a frame cost that was broken after all', async () => {
  const { near, faults, checked } = await readStream();
  const random = createSeededRandom(3);
  const content = { addresses: [], version: 1, expiresAtSeconds: 1_900_000_000, capabilities: 1 };
  const descriptors = Array.from({ length: 10 }, () => createDescriptor(content, createSigner(random.bytes(32))));
  near.send(encodeFrame(encodeCbor([[2, 1, descriptors.map(({ bytes }) => bytes), []], ['broken']])));
  await expect.poll(() => faults).toHaveLength(1);
  expect(checked).toEqual([10]);
});

describe('a link to a peer', () => {
  it('sends in one frame what is said in one turn', async () => {
    const { near, read } = await readStream();
    const chunks: number[] = [];
    const send = near.send.bind(near);
    near.send = (data) => {
      chunks.push(data.byteLength);
      return send(data);
    };
    const { link } = linkOver([near]);
    for (const nonce of [1, 2, 3]) link.send(probe(nonce));
    await expect.poll(() => read).toEqual([probe(1), probe(2), probe(3)]);
    expect(chunks).toHaveLength(1);
    expect(link.isIdle).toBe(true);
  });

  it('holds back while the reader does not read, bounded, and goes on when it does', async () => {
    const { near, read, inbound } = await readStream();
    const { link, dropped } = linkOver([near], 300_000);
    link.send(probe(1));
    await expect.poll(() => read).toHaveLength(1);
    inbound.pause();
    near.writableNeedsDrain = true; // as a stream is whose window is full
    for (let mark = 0; mark < 20; mark += 1) {
      link.send({ kind: 'event', bytes: new Uint8Array(50_000).fill(mark), hops: 0 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(link.queuedBytes).toBeLessThanOrEqual(300_000);
    expect(dropped.length).toBeGreaterThan(0);
    near.dispatchEvent(new Event('drain'));
    inbound.resume();
    await expect.poll(() => read.length + dropped.length).toBe(21);
    expect(link.isIdle).toBe(true);
  });

  it('opens a stream anew when it broke, but not in haste', async () => {
    const [first, second] = [await readStream(), await readStream()];
    const { link, openedCount, advance } = linkOver([first.near, second.near]);
    link.send(probe(1));
    await expect.poll(() => first.read).toHaveLength(1);
    first.near.abort(new Error('broke'));
    link.send(probe(2));
    await new Promise((resolve) => setImmediate(resolve));
    expect(openedCount()).toBe(1);
    advance(1_000);
    link.send(probe(3));
    await expect.poll(() => second.read).toEqual([probe(2), probe(3)]);
  });
});
