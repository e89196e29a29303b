import { FrameDecoder } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { codecLimits, DescriptorMemory, decodeMessages } from '../codec.ts';
import { type Message, messageLimits } from '../message.ts';
import { OutboundQueue, outboundLimits } from './outbound-queue.ts';

const event = (mark: number, size = 1_000): Message => ({
  kind: 'event',
  bytes: new Uint8Array(size).fill(mark),
  hops: 0,
});
const gossip = (nonce: number): Message => ({ kind: 'probe', nonce, isReply: false });
const marksOf = (messages: readonly Message[]) =>
  messages.map((message) =>
    message.kind === 'event' ? message.bytes[0] : message.kind === 'probe' ? message.nonce : -1,
  );

/** Everything that waits, frame by frame. */
function framesOf(queue: OutboundQueue): Message[][] {
  const decoder = new FrameDecoder({ bytesMax: codecLimits.frameBytesMax });
  const frames: Message[][] = [];
  for (let frame = queue.takeFrame(); frame !== undefined; frame = queue.takeFrame()) {
    for (const payload of decoder.push(frame)) frames.push(decodeMessages(payload, new DescriptorMemory()));
  }
  return frames;
}

describe('what waits for a peer', () => {
  it('travels in one frame, gossip first', () => {
    const queue = new OutboundQueue(10_000);
    for (const message of [event(1), gossip(2), event(3), gossip(4)]) queue.push(message);
    expect(framesOf(queue).map(marksOf)).toEqual([[2, 4, 1, 3]]);
    expect(queue.length).toBe(0);
    expect(queue.bytes).toBe(0);
  });

  it('is cut into frames of a bearable size, of which the largest event fills one', () => {
    const queue = new OutboundQueue(outboundLimits.bytesMax);
    for (let nonce = 0; nonce < codecLimits.messagesPerFrameMax + 1; nonce += 1) queue.push(gossip(nonce));
    for (const mark of [1, 2]) queue.push(event(mark, messageLimits.eventBytesMax));
    expect(framesOf(queue).map((frame) => frame.length)).toEqual([codecLimits.messagesPerFrameMax, 2, 1]);
  });

  it('drops the oldest gossip for anything, the oldest event only for a newer one', () => {
    const queue = new OutboundQueue(3_050);
    expect(queue.push(gossip(1))).toEqual([]);
    expect(queue.push(gossip(2))).toEqual([]);
    for (const mark of [3, 4, 5]) expect(queue.push(event(mark))).toEqual([]);
    expect(marksOf(queue.push(event(6)))).toEqual([1, 2, 3]);
    for (let nonce = 10; nonce < 20; nonce += 1) queue.push(gossip(nonce));
    const marks = framesOf(queue).flatMap(marksOf);
    expect(marks.slice(-3)).toEqual([4, 5, 6]);
    expect(marks.slice(0, -3)).not.toContain(10);
  });

  it('refuses gossip that would drive out events, and what does not fit at all', () => {
    const queue = new OutboundQueue(2_030);
    for (const mark of [1, 2]) queue.push(event(mark));
    const late: Message = { kind: 'joined', id: new Uint8Array(16), box: new Uint8Array(100) };
    expect(queue.push(late)).toEqual([late]);
    expect(marksOf(queue.push(event(3, 5_000)))).toEqual([1, 2, 3]);
    expect(queue.length).toBe(0);
  });

  it('holds so many messages and no more', () => {
    const queue = new OutboundQueue(outboundLimits.bytesMax);
    for (let nonce = 0; nonce < outboundLimits.messagesMax; nonce += 1) expect(queue.push(gossip(nonce))).toEqual([]);
    expect(marksOf(queue.push(gossip(9_999)))).toEqual([0]);
    expect(queue.length).toBe(outboundLimits.messagesMax);
    queue.clear();
    expect(queue.length).toBe(0);
  });
});
