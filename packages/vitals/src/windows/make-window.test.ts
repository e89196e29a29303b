import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading, UserId } from '../readings/reading.ts';
import { makeWindow } from './make-window.ts';

const startSeconds = 1_767_225_600;
const userId = 'device-1' as UserId;

function reading(second: number, fields: Partial<Reading> = {}): Reading {
  return {
    userId,
    tMs: (startSeconds + second) * 1000,
    heartRateBpm: 61.5,
    rrMs: [],
    seq: null,
    confidence: null,
    isStamped: false,
    ...fields,
  };
}

const anyReading: fc.Arbitrary<Reading> = fc.record({
  userId: fc.constant<UserId>(userId),
  tMs: fc.integer({ min: (startSeconds - 5) * 1000, max: (startSeconds + 15) * 1000 }),
  heartRateBpm: fc.double({ min: 1, max: 400, noNaN: true }),
  rrMs: fc.array(fc.integer({ min: 1, max: 4_000 }), { maxLength: 4 }),
  seq: fc.option(fc.integer({ min: 0, max: 20 })),
  confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  isStamped: fc.boolean(),
});

describe('makeWindow', () => {
  it('depends on the set of readings alone, not on their order or repetition', () => {
    fc.assert(
      fc.property(fc.array(anyReading, { maxLength: 30 }), fc.integer({ min: 0, max: 1000 }), (readings, turn) => {
        const shifted = readings.map(
          (_, index) => readings[(index * 7 + turn) % Math.max(1, readings.length)] as Reading,
        );
        const reordered = [...readings].reverse().concat(shifted.filter((other) => other !== undefined));
        expect(makeWindow(startSeconds, reordered)).toEqual(makeWindow(startSeconds, readings));
      }),
    );
  });

  it('keeps only its own ten seconds', () => {
    const window = makeWindow(startSeconds, [reading(-1), reading(0), reading(9), reading(10)]);
    expect(window.readings.map((other) => other.tMs / 1000 - startSeconds)).toEqual([0, 9]);
  });

  it('marks what is missing and never invents it', () => {
    const window = makeWindow(
      startSeconds,
      [0, 1, 2, 3, 4].map((second) => reading(second)),
    );
    expect(window.readings).toHaveLength(5);
    expect(window.quality).toEqual({ missingSeconds: 5, implausibleCount: 0, isUsable: false });
    expect(makeWindow(startSeconds, []).quality.missingSeconds).toBe(10);
  });

  it('marks implausible rates and intervals and gives up on a window of many', () => {
    const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const some = makeWindow(
      startSeconds,
      seconds.map((s) => reading(s, { heartRateBpm: s < 2 ? 350 : 60.5 })),
    );
    expect(some.quality).toEqual({ missingSeconds: 0, implausibleCount: 2, isUsable: true });
    const many = makeWindow(
      startSeconds,
      seconds.map((s) => reading(s, { rrMs: s < 3 ? [150] : [] })),
    );
    expect(many.quality).toEqual({ missingSeconds: 0, implausibleCount: 3, isUsable: false });
  });

  it('tells a strap, a wrist and an ideal rate apart', () => {
    const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(
      makeWindow(
        startSeconds,
        seconds.map((s) => reading(s, { rrMs: [980] })),
      ).input,
    ).toBe('rr');
    expect(
      makeWindow(
        startSeconds,
        seconds.map((s) => reading(s, { heartRateBpm: 61 })),
      ).input,
    ).toBe('wrist');
    expect(
      makeWindow(
        startSeconds,
        seconds.map((s) => reading(s)),
      ).input,
    ).toBe('hr');
  });
});
