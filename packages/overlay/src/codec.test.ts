import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { DecodeError, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  codecLimits,
  DescriptorMemory,
  decodeMessage,
  decodeMessages,
  encodeMessage,
  encodeMessages,
} from './codec.ts';
import { createDescriptor, type Descriptor, descriptorLimits } from './descriptor.ts';
import { type Message, messageLimits } from './message.ts';

const random = createSeededRandom(4);

function descriptor(version = 1): Descriptor {
  const content = { addresses: ['/ip4/192.0.2.1/tcp/4001'], version, expiresAtSeconds: 1_900_000_000, capabilities: 1 };
  return createDescriptor(content, createSigner(random.bytes(32)));
}

const self = descriptor();
const others = [descriptor(2), descriptor(3)];
const [route, id, nonce] = [random.bytes(16), random.bytes(16), 2 ** 48 - 1];

const samples: readonly Message[] = [
  { kind: 'pull', nonce, self, want: 10 },
  { kind: 'pull', nonce, self, want: 10, knows: random.bytes(messageLimits.knowsBytesMax) },
  { kind: 'view', nonce: 0, descriptors: others },
  { kind: 'view', nonce: 0, descriptors: others, named: [random.bytes(8), random.bytes(8)] },
  { kind: 'probe', nonce: 7, isReply: true },
  { kind: 'near', nonce: 7, self },
  { kind: 'near', nonce: 7, self, filter: random.bytes(560) },
  { kind: 'near', nonce: 7, self, filter: random.bytes(560), knows: random.bytes(1) },
  { kind: 'nearby', nonce: 7, descriptors: [] },
  { kind: 'nearby', nonce: 7, descriptors: [], named: [random.bytes(8)] },
  { kind: 'ask-filters', nonce: 7, digests: [random.bytes(16)] },
  { kind: 'filters', nonce: 7, filters: [random.bytes(560), random.bytes(1)] },
  {
    kind: 'join',
    query: { id, nonce: random.bytes(16), tag: random.bytes(16), replyKey: random.bytes(32), hint: [0, 4_095], ttl: 8 },
  },
  { kind: 'joined', id, box: random.bytes(800) },
  { kind: 'ring', route, nonce, isReply: false, proof: random.bytes(16), self, descriptors: others, isLeaving: false },
  { kind: 'event', bytes: random.bytes(500), hops: 3 },
  { kind: 'have', route, ids: [random.bytes(16), random.bytes(16)] },
  { kind: 'want', route, ids: [] },
  { kind: 'carry', route, seconds: 600, isAnswer: false },
];

const memory = () => new DescriptorMemory();

/** What is wrong with `bytes`; undefined when they decode. Anything but a DecodeError fails the test. */
function refusal(bytes: Uint8Array, known = memory()): string | undefined {
  try {
    decodeMessages(bytes, known);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return (error as DecodeError).message;
  }
}

describe('the codec', () => {
  it('gives back every message as it was, alone and in a frame', () => {
    for (const message of samples) expect(decodeMessage(encodeMessage(message), memory())).toEqual(message);
    expect(decodeMessages(encodeMessages(samples), memory())).toEqual(samples);
    expect(decodeMessages(encodeMessages([]), memory())).toEqual([]);
  });

  it('writes the same bytes as deterministic CBOR of the whole frame would be', () => {
    const many = Array.from({ length: 30 }, (_, at): Message => ({ kind: 'probe', nonce: at, isReply: false }));
    expect(encodeMessages(many)).toEqual(
      encodeCbor(many.map((probe) => [3, (probe as { nonce: number }).nonce, false])),
    );
  });

  it('encodes an object once, and puts events of any length together as the encoder would', () => {
    const probe: Message = { kind: 'probe', nonce: 1, isReply: false };
    expect(encodeMessage(probe)).toBe(encodeMessage(probe));
    for (const length of [0, 23, 24, 255, 256, 65_535, 65_536, messageLimits.eventBytesMax]) {
      const bytes = new Uint8Array(length).fill(1);
      expect(encodeMessage({ kind: 'event', bytes, hops: 24 })).toEqual(encodeCbor([11, bytes, 24]));
    }
  });

  it('gives the same object for a descriptor that it has seen, and forgets the one asked for longest ago', () => {
    const known = new DescriptorMemory(2);
    const [first, second, third] = [descriptor(), descriptor(), descriptor()];
    const decoded = known.decode(first.bytes);
    expect(decoded).toEqual(first);
    expect(known.decode(first.bytes.slice())).toBe(decoded);
    known.decode(second.bytes);
    known.decode(first.bytes);
    known.decode(third.bytes);
    expect(known.size).toBe(2);
    expect(known.decode(first.bytes)).toBe(decoded);
  });

  it('refuses what is past each limit and what has another shape', () => {
    const of = (...messages: unknown[][]) => refusal(encodeCbor(messages));
    const digests = (count: number, length: number) => Array.from({ length: count }, () => new Uint8Array(length));
    const [unknowing, ten] = [new Uint8Array(0), messageLimits.descriptorsMax];
    const descriptors = (count: number) => Array.from({ length: count }, () => self.bytes);
    const fit = [
      [1, 0, self.bytes, ten, new Uint8Array(messageLimits.knowsBytesMax)],
      [2, 0, descriptors(1), digests(ten - 1, 8)],
      [3, 0, false],
      [4, 0, self.bytes, null, unknowing],
      [5, 0, descriptors(ten), []],
      [12, route, digests(messageLimits.idsMax, 16)],
    ];
    for (const fields of fit) expect(of(fields)).toBeUndefined();
    const refused: unknown[][] = [
      [],
      [0],
      [99, 1],
      ['3', 0, false],
      [3, 0],
      [3, 0, false, 1],
      [3, -1, false],
      [3, 2 ** 48, false],
      [3, 1.5, false],
      [3, 0, 0],
      [1, 0, self.bytes, 1],
      [1, 0, self.bytes, 0, unknowing],
      [1, 0, self.bytes, ten + 1, unknowing],
      [1, 0, self.bytes, 1, new Uint8Array(messageLimits.knowsBytesMax + 1)],
      [1, 0, self.bytes, 1, null],
      [1, 0, new Uint8Array(descriptorLimits.bytesMax + 1), 1, unknowing],
      [1, 0, self.bytes.map((byte) => byte ^ 1), 1, unknowing],
      [2, 0, descriptors(ten + 1), []],
      [2, 0, descriptors(1), digests(ten, 8)],
      [5, 0, [], digests(ten + 1, 8)],
      [5, 0, [], digests(1, 7)],
      [5, 0, [], digests(1, 9)],
      [4, 0, self.bytes, new Uint8Array(messageLimits.filterBytesMax + 1), unknowing],
      [4, 0, self.bytes, new Uint8Array(0), unknowing],
      [6, 0, digests(messageLimits.filtersMax + 1, descriptorLimits.digestBytes)],
      [6, 0, digests(1, 15)],
      [7, 0, digests(messageLimits.filtersMax + 1, 1)],
      [7, 0, digests(1, messageLimits.filterBytesMax + 1)],
      [8, id, id, id, id, [], 1],
      [8, id, id, id, self.publicKey, [0, 1, 2, 3, 4], 1],
      [8, id, id, id, self.publicKey, [codecLimits.hintPositionsBelow], 1],
      [8, id, id, id, self.publicKey, [0.5], 1],
      [8, id, id, id, self.publicKey, [], messageLimits.joinHopsMax + 1],
      [9, id, new Uint8Array(messageLimits.joinBoxBytesMax + 1)],
      [9, id.subarray(1), new Uint8Array(1)],
      [11, new Uint8Array(messageLimits.eventBytesMax + 1), 0],
      [11, new Uint8Array(1), codecLimits.hopsMax + 1],
      [12, route, digests(messageLimits.idsMax + 1, 16)],
      [13, route, digests(1, 15)],
      [13, route, digests(1, 17)],
      [13, route, [[]]],
      [14, route, messageLimits.carrySecondsMax + 1, false],
    ];
    for (const fields of refused) expect(of(fields), JSON.stringify(fields).slice(0, 80)).toBeDefined();
    expect(of(...Array.from({ length: codecLimits.messagesPerFrameMax + 1 }, () => [3, 0, false]))).toBeDefined();
    expect(refusal(new Uint8Array(codecLimits.frameBytesMax + 1))).toContain('longer than');
    expect(refusal(encodeCbor('text'))).toBeDefined();
  });

  it('throws nothing but a DecodeError for 10,000 random and mutated inputs, and holds no more than it was given', () => {
    const frames = [encodeMessages(samples), ...samples.map((message) => encodeMessages([message]))];
    const mutated = fc
      .record({
        frame: fc.constantFrom(...frames),
        at: fc.nat(),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
        cut: fc.option(fc.nat(), { freq: 3, nil: undefined }),
      })
      .map(({ frame, at, bytes, cut }) => {
        const copy = frame.slice(0, cut === undefined ? frame.length : cut % frame.length);
        copy.set(bytes.subarray(0, copy.length), at % Math.max(1, copy.length - bytes.length));
        return copy;
      });
    const known = memory();
    const isSound = (bytes: Uint8Array) => {
      try {
        const messages = decodeMessages(bytes, known);
        expect(messages.length).toBeLessThanOrEqual(codecLimits.messagesPerFrameMax);
        expect(encodeMessages(messages)).toEqual(bytes); // what decodes is exactly what was said
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), isSound), { numRuns: 5_000 });
    fc.assert(fc.property(mutated, isSound), { numRuns: 5_000 });
    expect(known.size).toBeLessThanOrEqual(codecLimits.descriptorsRememberedMax);
  });
});
