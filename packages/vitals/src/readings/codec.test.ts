import { encodeCbor, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecLimits, decodeReading, decodeReadings, encodeReading, encodeReadings } from './codec.ts';
import { messageLimits } from './message.ts';
import type { Reading, UserId } from './reading.ts';

const userId = 'wearer' as UserId;

const anyReading: fc.Arbitrary<Reading> = fc.record({
  userId: fc.constant(userId),
  tMs: fc.integer({ min: 0, max: messageLimits.tMsMax }),
  heartRateBpm: fc.double({ min: 0, minExcluded: true, max: 400, noNaN: true }),
  rrMs: fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { maxLength: 64 }),
  seq: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
  confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0)),
  isStamped: fc.boolean(),
});

describe('the reading codec', () => {
  it('gives back what it was given, one by one and as a batch', () => {
    fc.assert(
      fc.property(fc.array(anyReading, { maxLength: 20 }), (readings) => {
        expect(decodeReadings(encodeReadings(readings), userId)).toEqual(readings);
        for (const reading of readings) expect(decodeReading(encodeReading(reading), userId)).toEqual(reading);
      }),
    );
  });

  it('writes a form that stays the same, without the id of the wearer', () => {
    const reading = { userId, tMs: 1, heartRateBpm: 60.5, rrMs: [800], seq: 7, confidence: null, isStamped: false };
    expect(toHex(encodeReading(reading))).toBe('870101f953908119032007f6f4');
  });

  it('fits the longest reading into its limit', () => {
    const longest = {
      userId,
      tMs: messageLimits.tMsMax,
      heartRateBpm: 75.52868227718442,
      rrMs: Array<number>(64).fill(801.0000001),
      seq: Number.MAX_SAFE_INTEGER,
      confidence: 0.123456789,
      isStamped: false,
    };
    expect(encodeReading(longest).length).toBeLessThan(codecLimits.readingBytesMax);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['another version', encodeCbor([2, 1, 60, [], null, null, false])],
    ['a rate no heart has', encodeCbor([1, 1, 401, [], null, null, false])],
    ['a time no record can be filed under', encodeCbor([1, messageLimits.tMsMax + 1, 60, [], null, null, false])],
    ['a negative time', encodeCbor([1, -1, 60, [], null, null, false])],
    ['too many intervals', encodeCbor([1, 1, 60, Array(65).fill(800), null, null, false])],
    ['a text for a counter', encodeCbor([1, 1, 60, [], '7', null, false])],
    ['a confidence past 1', encodeCbor([1, 1, 60, [], null, 1.5, false])],
    ['a field too few', encodeCbor([1, 1, 60, [], null, false])],
    ['more bytes than a reading has', new Uint8Array(codecLimits.readingBytesMax + 1)],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decodeReading(bytes, userId)).toThrow(expect.objectContaining({ code: 'reading-codec' }));
  });

  it('refuses a batch past its limit', () => {
    const bytes = encodeCbor([1, Array(codecLimits.batchReadingsMax + 1).fill(0)]);
    expect(() => decodeReadings(bytes, userId)).toThrow(expect.objectContaining({ code: 'reading-codec' }));
  });

  it('answers any bytes with readings or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeReadings(bytes, userId);
        } catch (error) {
          expect(error).toMatchObject({ code: 'reading-codec' });
        }
      }),
    );
  });
});
