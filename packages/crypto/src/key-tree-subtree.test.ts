import { AssertionError, createSystemRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealBrokenError } from './errors.ts';
import {
  countSubtreeKeys,
  OutsideSubtreeError,
  openSubtree,
  SubtreeLimitError,
  SubtreeMalformedError,
  type SubtreeSpan,
  subtreeLimits,
} from './key-subtree.ts';
import { createKeyTree } from './key-tree.ts';

const random = createSystemRandom();
const tree = createKeyTree(new Uint8Array(32).fill(1), { leafKeysMax: 4096 });
const plaintext = new TextEncoder().encode('seventy-five beats');
const day = 24;
const firstHour = 472_000; // a day's 16th hour
const placeIn = (kind: number, hour: number, seconds = 0) => ({
  kind,
  bucketSeconds: hour * 3600 + seconds,
  id: tree.recordId(kind, `${hour}`),
  revision: 0,
});
const sealIn = (kind: number, hour: number, seconds = 0) => tree.seal(placeIn(kind, hour, seconds), plaintext, random);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

const spans: fc.Arbitrary<SubtreeSpan> = fc
  .record({
    kinds: fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 4 }),
    fromHour: fc.integer({ min: firstHour, max: firstHour + 30 }),
    hours: fc.integer({ min: 1, max: 80 }),
  })
  .map(({ kinds, fromHour, hours }) => ({ kinds, fromHour, untilHour: fromHour + hours }));

describe('a part of a key tree', () => {
  it('opens everything inside its kinds and hours, sealed before or after, and nothing beside them', () => {
    fc.assert(
      fc.property(spans, fc.nat(3599), fc.nat(), fc.nat(), (span, seconds, someHour, someKind) => {
        const part = openSubtree(tree.subtree(span));
        const hour = span.fromHour + (someHour % (span.untilHour - span.fromHour));
        const kind = span.kinds[someKind % span.kinds.length] as number;
        expect(part.open(placeIn(kind, hour, seconds), sealIn(kind, hour, seconds))).toEqual(plaintext);
        for (const inside of [span.fromHour, span.untilHour - 1]) {
          expect(part.open(placeIn(kind, inside), sealIn(kind, inside))).toEqual(plaintext);
        }
        for (const outside of [span.fromHour - 1, span.untilHour, span.untilHour + day]) {
          expect(() => part.open(placeIn(kind, outside), sealIn(kind, outside))).toThrow(OutsideSubtreeError);
        }
        const other = [...Array(256).keys()].find((candidate) => !span.kinds.includes(candidate)) as number;
        expect(() => part.open(placeIn(other, hour), sealIn(other, hour))).toThrow(OutsideSubtreeError);
      }),
      { numRuns: 60 },
    );
  });

  it('holds no key that covers more: what it gives for neighbouring hours differs from every key in it', () => {
    // Whoever ignores the span and tries each key, as an hour's or as the parent of hours, opens nothing outside it.
    fc.assert(
      fc.property(spans, (span) => {
        const keys = keysIn(tree.subtree(span), span.kinds.length);
        const cover = tree.subtree({ ...span, fromHour: span.fromHour - day, untilHour: span.untilHour + day });
        const outer = openSubtree(cover);
        const kind = span.kinds[0] as number;
        const sealed = sealIn(kind, span.untilHour);
        expect(outer.open(placeIn(kind, span.untilHour), sealed)).toEqual(plaintext);
        const before = tree.subtree({ ...span, fromHour: span.fromHour - 1, untilHour: span.fromHour });
        const after = tree.subtree({ ...span, fromHour: span.untilHour, untilHour: span.untilHour + 1 });
        const outside = [...keysIn(before, span.kinds.length), ...keysIn(after, span.kinds.length)];
        expect(keys.filter((key) => outside.includes(key))).toEqual([]);
        for (const touched of [span.fromHour - 1, span.untilHour]) {
          const start = Math.floor(touched / day) * day;
          const wholeDay = keysIn(
            tree.subtree({ ...span, fromHour: start, untilHour: start + day }),
            span.kinds.length,
          );
          expect(keys.filter((key) => wholeDay.includes(key))).toEqual([]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is as small as it can be: hours up to midnight, whole days, hours again', () => {
    const keysOf = (fromHour: number, untilHour: number) =>
      keysIn(tree.subtree({ kinds: [1], fromHour, untilHour }), 1).length;
    const midnight = 472_008;
    expect(midnight % day).toBe(0);
    expect(keysOf(midnight, midnight + 1)).toBe(1);
    expect(keysOf(midnight, midnight + day)).toBe(1);
    expect(keysOf(midnight - 1, midnight + day + 1)).toBe(3);
    expect(keysOf(midnight + 1, midnight + day)).toBe(23);
    expect(keysOf(midnight - 3, midnight + 3)).toBe(6);
    expect(keysOf(midnight - 23, midnight + 2 * day + 23)).toBe(23 + 2 + 23);
  });

  it('of a year and all four kinds stays under 53 kB', () => {
    const worst = tree.subtree({ kinds: [1, 2, 3, 4], fromHour: firstHour, untilHour: firstHour + 366 * day });
    expect(worst.length).toBeLessThan(53_000);
    expect(openSubtree(worst).untilHour).toBe(firstHour + 366 * day);
  });

  it('has one encoding, whatever the order of kinds, and says its span', () => {
    const span = { fromHour: firstHour, untilHour: firstHour + 50 };
    const encoded = tree.subtree({ ...span, kinds: [3, 1] });
    expect(hex(tree.subtree({ ...span, kinds: [1, 3] }))).toBe(hex(encoded));
    expect(openSubtree(encoded)).toMatchObject({ ...span, kinds: [1, 3], subjectId: tree.subjectId });
  });

  it('stays what it is: a change here makes every envelope unreadable', () => {
    const fixed = createKeyTree(new Uint8Array(32).map((_, index) => index));
    const encoded = fixed.subtree({ kinds: [2], fromHour: 472_007, untilHour: 472_008 });
    expect(hex(encoded)).toBe(
      '014f197c414a020310d6938c344081f452000733c7000733c80102f5efdbac400b33db1e47c2107fb97d8a8a9368fca1fa67c3bf0736a11a79d06f',
    );
  });

  it('does not open what was altered, or sealed for somebody else', () => {
    const part = openSubtree(tree.subtree({ kinds: [1], fromHour: firstHour, untilHour: firstHour + 2 }));
    const place = placeIn(1, firstHour);
    const sealed = sealIn(1, firstHour);
    expect(() => part.open({ ...place, revision: 1 }, sealed)).toThrow(SealBrokenError);
    expect(() => part.open({ ...place, bucketSeconds: place.bucketSeconds + 3600 }, sealed)).toThrow(SealBrokenError);
    const other = createKeyTree(new Uint8Array(32).fill(2));
    expect(() => part.open(place, other.seal(place, plaintext, random))).toThrow(SealBrokenError);
  });

  it('is counted before it is made', () => {
    fc.assert(
      fc.property(spans, (span) => {
        expect(countSubtreeKeys(span)).toBe(keysIn(tree.subtree(span), span.kinds.length).length);
      }),
      { numRuns: 20 },
    );
  });

  it('refuses more keys than one release holds, and takes as many', () => {
    const hours = (days: number) => ({ kinds: [1], fromHour: 0, untilHour: days * day });
    expect(openSubtree(tree.subtree(hours(subtreeLimits.keysMax))).kinds).toEqual([1]);
    expect(() => tree.subtree(hours(subtreeLimits.keysMax + 1))).toThrow(SubtreeLimitError);
  });

  it.each([
    { kinds: [] },
    { kinds: [256] },
    { kinds: [1, 1] },
    { fromHour: 5, untilHour: 5 },
    { fromHour: 0.5 },
    { fromHour: -1 },
    { untilHour: 2 ** 32 },
    { kinds: [...Array(subtreeLimits.kindsMax + 1).keys()] },
  ])('calls a span with %j a bug', (part) => {
    expect(() => tree.subtree({ kinds: [1], fromHour: 1, untilHour: 9, ...part })).toThrow(AssertionError);
  });

  it('refuses every cut, every longer one and whatever else is not of its form', () => {
    const encoded = tree.subtree({ kinds: [1, 2], fromHour: firstHour, untilHour: firstHour + 3 });
    for (let length = 0; length < encoded.length; length += 1) {
      expect(() => openSubtree(encoded.subarray(0, length))).toThrow(SubtreeMalformedError);
    }
    expect(() => openSubtree(Uint8Array.of(...encoded, 0))).toThrow(SubtreeMalformedError);
    const changed = (at: number, value: number) => encoded.with(at, value);
    expect(() => openSubtree(changed(0, 2))).toThrow(SubtreeMalformedError); // version
    expect(() => openSubtree(changed(24, 0))).toThrow(SubtreeMalformedError); // until before from
    expect(() => openSubtree(changed(25, 0))).toThrow(SubtreeMalformedError); // no kinds
    expect(() => openSubtree(changed(25, 200))).toThrow(SubtreeMalformedError); // too many
    expect(() => openSubtree(changed(26, 2))).toThrow(SubtreeMalformedError); // one kind twice
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          openSubtree(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SubtreeMalformedError);
        }
      }),
    );
  });
});

function keysIn(encoded: Uint8Array, kinds: number): string[] {
  const keys = encoded.subarray(26 + kinds);
  return Array.from({ length: keys.length / 32 }, (_, index) => hex(keys.subarray(index * 32, index * 32 + 32)));
}
