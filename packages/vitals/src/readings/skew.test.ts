import { describe, expect, it } from 'vitest';
import type { Reading, UserId } from './reading.ts';
import { assertWithinSkew, defaultSkewLimits } from './skew.ts';

const nowMs = Date.UTC(2026, 0, 1);
const { futureMsMax, pastMsMax } = defaultSkewLimits;

function readingAt(tMs: number): Reading {
  return { userId: 'a' as UserId, tMs, heartRateBpm: 60, rrMs: [], seq: null, confidence: null, isStamped: false };
}

describe('assertWithinSkew', () => {
  it('takes a live reading up to the limits on both sides', () => {
    assertWithinSkew(readingAt(nowMs + futureMsMax), 'live', nowMs);
    assertWithinSkew(readingAt(nowMs - pastMsMax), 'live', nowMs);
  });

  it('refuses a live reading past them, and says which way', () => {
    expect(() => assertWithinSkew(readingAt(nowMs + futureMsMax + 1), 'live', nowMs)).toThrow(
      expect.objectContaining({ code: 'time-in-future' }),
    );
    expect(() => assertWithinSkew(readingAt(nowMs - pastMsMax - 1), 'live', nowMs)).toThrow(
      expect.objectContaining({ code: 'time-too-old' }),
    );
  });

  it("keeps a replay's times whatever they are", () => {
    assertWithinSkew(readingAt(0), 'replay', nowMs);
    assertWithinSkew(readingAt(nowMs * 2), 'replay', nowMs);
  });
});
