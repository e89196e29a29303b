import { AssertionError, createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { concatBytes, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identityOfSeed } from '../identity.ts';
import { sealEnvelope } from './envelope.ts';
import { ContentTooLargeError, PairStateError, PairUnansweredError, SealRefusedError } from './errors.ts';
import { envelopeLimits, sizeClassOf } from './padding.ts';
import { type PairLimits, pairTagOf } from './pair-ratchet.ts';
import {
  acceptPairSession,
  batchOverheadBytes,
  type PairSession,
  pairLimits,
  restorePairSession,
  startPairSession,
} from './pair-session.ts';

const random = createSystemRandom();
const clock = new VirtualClock();
const text = (value: string) => new TextEncoder().encode(value);
const alice = identityOfSeed(random.bytes(32));
const bob = identityOfSeed(random.bytes(32));
const bobsCard = { sealingKey: bob.sealing.publicKey };

function pair(limits: Partial<PairLimits> = {}) {
  const dependencies = { random, clock, limits };
  const { session, handshake } = startPairSession({ from: alice, to: bobsCard }, dependencies);
  const accepted = acceptPairSession(handshake, { to: bob }, dependencies);
  return { a: session, b: accepted.session, handshake, accepted };
}

const copyOf = (session: PairSession) => restorePairSession(session.toBytes(), { random });
const reasonOf = (session: PairSession, batch: Uint8Array) => {
  try {
    session.open(batch);
    return 'opened';
  } catch (error) {
    if (!(error instanceof SealRefusedError)) throw error;
    return error.reason;
  }
};
const say = (from: PairSession, to: PairSession, word: string) => to.open(from.seal([text(word)]))[0];

describe('a pair session', () => {
  it('carries batches both ways from the first on, and knows who began it', () => {
    const { a, b, accepted } = pair();
    expect(accepted.handshake.from).toBe(alice.peerId);
    expect([a.isConfirmed, b.isConfirmed, a.id === b.id]).toEqual([false, true, true]);
    const messages = [text('one'), text('two'), new Uint8Array(0)];
    expect(b.open(a.seal(messages))).toEqual(messages);
    expect(a.open(b.seal(messages))).toEqual(messages);
    expect(b.open(a.seal([]))).toEqual([]);
    expect(a.isConfirmed).toBe(true);
  });

  it('begins with the hybrid suite where the other side has such a key', () => {
    const to = { ...bobsCard, hybridKey: bob.sealing.hybrid.publicKey };
    const { handshake } = startPairSession({ from: alice, to }, { random, clock });
    expect(acceptPairSession(handshake, { to: bob }, { random }).handshake.suite).toBe('hybrid');
  });

  it('opens each batch once, in any order, whatever is lost, and across restarts of both ends', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('seal' as const), side: fc.nat(1) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver' as const), at: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), at: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), side: fc.nat(1) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { a, b } = pair();
        const ends = [a, b];
        const underWay: { to: number; batch: Uint8Array; word: string }[] = [];
        const opened: typeof underWay = [];
        for (const [index, one] of steps.entries()) {
          if (one.kind === 'seal') {
            const word = `batch ${index}`;
            underWay.push({ to: 1 - one.side, word, batch: (ends[one.side] as PairSession).seal([text(word)]) });
          } else if (one.kind === 'restart') {
            ends[one.side] = copyOf(ends[one.side] as PairSession);
          } else if (underWay.length > 0) {
            const [item] = underWay.splice(one.at % underWay.length, 1);
            if (item === undefined || one.kind === 'lose') continue;
            const end = ends[item.to] as PairSession;
            expect(end.tags).toContain(pairTagOf(item.batch));
            expect(end.open(item.batch)).toEqual([text(item.word)]);
            opened.push(item);
          }
        }
        for (const { to, batch } of opened) expect(reasonOf(ends[to] as PairSession, batch)).toBe('unknown');
      }),
      { numRuns: 40 },
    );
  });

  it('opens a batch again until it forgets it, also after seals, answers and restarts in between', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('send' as const, 'answer' as const, 'restart' as const) }),
      fc.record({ kind: fc.constantFrom('peek' as const, 'forget' as const), at: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { a, b } = pair();
        let to = b;
        const batches: { batch: Uint8Array; word: string; isForgotten: boolean }[] = [];
        for (const [index, one] of steps.entries()) {
          if (one.kind === 'send')
            batches.push({ batch: a.seal([text(`${index}`)]), word: `${index}`, isForgotten: false });
          else if (one.kind === 'answer' && to.isConfirmed && batches.some(({ isForgotten }) => isForgotten)) {
            a.open(to.seal([]));
          } else if (one.kind === 'restart') to = copyOf(to);
          else if ('at' in one && batches.length > 0) {
            const item = batches[one.at % batches.length] as (typeof batches)[number];
            if (item.isForgotten) continue;
            expect(to.peek(item.batch)).toEqual([text(item.word)]);
            if (one.kind === 'forget') {
              to.forget(item.batch);
              item.isForgotten = true;
              expect(reasonOf(to, item.batch)).toBe('unknown');
            }
          }
        }
        for (const { batch, word, isForgotten } of batches) {
          if (isForgotten) expect(reasonOf(to, batch)).toBe('unknown');
          else expect(to.open(batch)).toEqual([text(word)]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('forgets nothing of a batch it has never opened', () => {
    const { a, b } = pair();
    const batch = a.seal([text('x')]);
    b.forget(batch);
    expect(b.open(batch)).toEqual([text('x')]);
    b.forget(batch);
    expect(reasonOf(b, batch)).toBe('unknown');
  });

  it('refuses every flipped bit, what is cut and what is lengthened, and goes on as if nothing had been', () => {
    const { a, b } = pair();
    say(a, b, 'x');
    say(b, a, 'y');
    const batch = a.seal([text('72 bpm')]);
    const before = b.toBytes();
    for (let bit = 0; bit < batch.length * 8; bit += bit < 100 * 8 ? 1 : 7) {
      const flipped = batch.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(reasonOf(b, flipped)).not.toBe('opened');
    }
    for (const length of [0, 1, 50, batch.length - 1]) expect(reasonOf(b, batch.subarray(0, length))).toBe('size');
    expect(reasonOf(b, concatBytes(batch, new Uint8Array(768)))).toBe('sealed');
    expect(b.toBytes()).toEqual(before);
    expect(b.open(batch)).toEqual([text('72 bpm')]);
  });

  it('refuses batches of another pair, its own, and random bytes', () => {
    const { a, b } = pair();
    const other = pair();
    const batch = a.seal([text('x')]);
    expect(reasonOf(other.b, batch)).toBe('unknown');
    expect(reasonOf(a, batch)).toBe('unknown');
    fc.assert(
      fc.property(fc.uint8Array({ size: 'large', maxLength: 600 }), (bytes) => {
        expect(reasonOf(b, bytes)).not.toBe('opened');
        const shaped = concatBytes(batch.subarray(0, 17), bytes).subarray(0, batch.length);
        expect(reasonOf(b, shaped)).not.toBe('opened');
      }),
    );
  });

  it('pads batches to size classes, and takes as much as one holds', () => {
    const { a, b } = pair();
    for (const length of [0, 1, 253, 254, 5000]) {
      const content = encodeCbor([new Uint8Array(length)]);
      expect(a.seal([new Uint8Array(length)]).length).toBe(sizeClassOf(content.length) + batchOverheadBytes);
    }
    const largest = new Uint8Array(envelopeLimits.contentBytesMax - 6);
    expect(b.open(a.seal([largest]))[0]?.length).toBe(largest.length);
    const before = a.toBytes();
    expect(() => a.seal([new Uint8Array(largest.length + 1)])).toThrow(ContentTooLargeError);
    expect(a.toBytes()).toEqual(before);
    expect(reasonOf(b, new Uint8Array(envelopeLimits.contentBytesMax * 2))).toBe('size');
    const many = Array.from({ length: pairLimits.messagesMax }, () => new Uint8Array(1));
    expect(b.open(a.seal(many)).length).toBe(many.length);
    expect(() => a.seal([...many, ...many])).toThrow(AssertionError);
  });

  it('shows on the wire nothing that two chains share', () => {
    const { a, b } = pair();
    const batches = [a.seal([]), a.seal([])];
    for (const batch of batches) b.open(batch);
    a.open(b.seal([]));
    batches.push(a.seal([]));
    const [one, two, three] = batches.map(pairTagOf);
    expect(one).toBe(two);
    expect(one).not.toBe(three);
    expect(Buffer.from(batches[2] ?? []).includes(Buffer.from(a.id, 'hex'))).toBe(false);
    expect(pairTagOf(text('no batch'))).toBeNull();
  });
});

describe('the keys of a pair session', () => {
  it('do not open what was opened before, when the state leaks (forward secrecy)', () => {
    const { a, b } = pair();
    const earlier = ['one', 'two', 'three'].map((word) => a.seal([text(word)]));
    for (const batch of earlier) b.open(batch);
    const answer = b.seal([text('answer')]);
    a.open(answer);
    const later = a.seal([text('later')]);
    // All that either end has, at this moment, on disk and in memory.
    for (const batch of earlier) expect(reasonOf(copyOf(b), batch)).toBe('unknown');
    expect(reasonOf(copyOf(a), answer)).toBe('unknown');
    expect(copyOf(b).open(later)).toEqual([text('later')]); // what is still to come it opens, of course
  });

  it('are gone from the kept state: the chain key with each batch, all others with the answers', () => {
    const { a, b } = pair();
    const inHex = () => keysIn(b.toBytes()).map((key) => Buffer.from(key).toString('hex'));
    const before = inHex();
    say(a, b, 'one');
    expect(before.filter((key) => !inHex().includes(key)).length).toBe(1);
    for (const word of ['two', 'three']) {
      say(b, a, word);
      say(a, b, word);
    }
    expect(before.filter((key) => inHex().includes(key))).toEqual([]);
  });

  it('are fresh again after a leak, once both ends have answered', () => {
    const { a, b } = pair();
    say(a, b, 'x');
    say(b, a, 'y');
    const [thiefOfA, thiefOfB] = [copyOf(a), copyOf(b)];
    for (const round of ['one', 'two']) {
      say(a, b, round);
      say(b, a, round);
    }
    const toB = a.seal([text('secret')]);
    expect(reasonOf(thiefOfB, toB)).toBe('unknown');
    b.open(toB);
    expect(reasonOf(thiefOfA, b.seal([text('secret')]))).toBe('unknown');
  });

  it('do not repeat with their nonce when a machine goes back to a snapshot', () => {
    const { a, b } = pair();
    const [first, second] = [copyOf(a).seal([text('one')]), a.seal([text('one')])];
    expect(first).not.toEqual(second);
    expect(b.open(second)).toEqual([text('one')]);
    expect(reasonOf(b, first)).toBe('unknown');
  });

  it('are not shown when it is printed', () => {
    const { a } = pair();
    expect(JSON.stringify(a)).toBe(JSON.stringify({ id: a.id }));
  });
});

describe('the limits of a pair session', () => {
  it('so many batches without an answer, and on after one', () => {
    const { a, b } = pair({ unansweredMax: 2 });
    const batches = [a.seal([]), a.seal([])];
    const before = a.toBytes();
    expect(() => a.seal([])).toThrow(PairUnansweredError);
    expect(a.toBytes()).toEqual(before);
    for (const batch of batches) b.open(batch);
    a.open(b.seal([]));
    expect(b.open(a.seal([text('on')]))).toEqual([text('on')]);
  });

  it('so far ahead a batch may be, and no further', () => {
    const { a, b } = pair({ skipAheadMax: 3 });
    const batches = Array.from({ length: 6 }, () => a.seal([]));
    expect(reasonOf(b, batches[4] ?? text(''))).toBe('ahead');
    expect(reasonOf(b, batches[3] ?? text(''))).toBe('opened');
    expect(reasonOf(b, batches[4] ?? text(''))).toBe('opened');
  });

  it('so many keys of overtaken batches, of which the oldest are forgotten', () => {
    const { a, b } = pair({ skippedKeysMax: 3 });
    const first = Array.from({ length: 4 }, () => a.seal([]));
    b.open(first[3] as Uint8Array);
    a.open(b.seal([]));
    const second = Array.from({ length: 3 }, () => a.seal([]));
    b.open(second[2] as Uint8Array);
    expect([...first, ...second].map((batch) => reasonOf(b, batch))).toEqual(
      ['unknown', 'unknown', 'opened', 'unknown'].concat(['opened', 'opened', 'unknown']),
    );
  });

  it('an answer is due after so many batches, until one is sealed', () => {
    const { a, b } = pair({ replyDueAfter: 2 });
    say(a, b, 'one');
    expect(b.isReplyDue).toBe(false);
    say(a, b, 'two');
    expect(b.isReplyDue).toBe(true);
    b.seal([]);
    expect(b.isReplyDue).toBe(false);
  });

  it('a kept state that is damaged is refused', () => {
    const { a, b } = pair();
    b.open([a.seal([]), a.seal([])][1] as Uint8Array);
    say(b, a, 'x');
    const bytes = b.toBytes();
    expect(restorePairSession(bytes, { random }).toBytes()).toEqual(bytes);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => restorePairSession(bytes.subarray(0, length), { random })).toThrow(PairStateError);
    }
    for (const value of [null, [], [2], Array(12).fill(null), { a: 1 }]) {
      expect(() => restorePairSession(encodeCbor(value), { random })).toThrow(PairStateError);
    }
  });

  it('a handshake with anything else inside is refused', () => {
    const contents = [null, [], [text('x')], [new Uint8Array(16), new Uint8Array(32), new Uint8Array(31)]];
    for (const value of contents) {
      const content = encodeCbor(value);
      const input = { from: alice, to: bobsCard, content, context: 'pulsemesh/pair/1' };
      const handshake = sealEnvelope(input, { random, clock });
      expect(() => acceptPairSession(handshake, { to: bob }, { random })).toThrow(SealRefusedError);
    }
    const { handshake } = pair();
    expect(() => acceptPairSession(handshake, { to: alice }, { random })).toThrow(SealRefusedError);
  });
});

/** Every 32-byte string in a kept state (CBOR heads a string of that length with 58 20). */
function keysIn(state: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let at = 0; at + 34 <= state.length; at += 1) {
    if (state[at] === 0x58 && state[at + 1] === 0x20) keys.push(state.slice(at + 2, at + 34));
  }
  return keys;
}
