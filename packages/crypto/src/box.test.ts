import { createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxLimits, boxOverheadBytes, createBox } from './box.ts';
import { SealBrokenError } from './errors.ts';

const random = createSystemRandom();
const key = new Uint8Array(32).fill(3);
const box = createBox(key, { random });
const name = new TextEncoder().encode('table/1');

describe('a box', () => {
  it('opens what any box of its key sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (plaintext, additional) => {
        const sealed = box.seal(plaintext, additional);
        expect(sealed.length).toBe(plaintext.length + boxOverheadBytes);
        expect(createBox(key, { random }).open(sealed, additional)).toEqual(plaintext);
      }),
    );
  });

  it('stays readable: a change here loses what nodes keep on their disks', () => {
    const fixed = createBox(key, { random: createSeededRandom(5) });
    // Written once by this code; the ingredients are checked against published vectors elsewhere.
    expect(Buffer.from(fixed.seal(name, name)).toString('hex')).toBe(
      '0159d327516c2ea21666d14f21d1415c0ab75eee864fa2c0476b263ce04bc7938e8da64bacd860162e6a50c048de99a07c798b40',
    );
  });

  it('refuses every flipped bit, another additional, another key', () => {
    const sealed = box.seal(name, name);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = sealed.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => box.open(flipped, name)).toThrow(SealBrokenError);
    }
    expect(() => box.open(sealed)).toThrow(SealBrokenError);
    expect(() => createBox(new Uint8Array(32), { random }).open(sealed, name)).toThrow(SealBrokenError);
    for (const length of [0, 1, 17, boxOverheadBytes - 1]) {
      expect(() => box.open(sealed.subarray(0, length), name)).toThrow(SealBrokenError);
    }
  });

  it('takes a new series when one is used up', () => {
    const short = createBox(key, { random }, { sealsPerSeriesMax: 2 });
    const series = Array.from({ length: 5 }, () => Buffer.from(short.seal(name)).toString('hex', 1, 17));
    expect(series.map((one) => series.indexOf(one))).toEqual([0, 0, 2, 2, 4]);
  });

  it('opens more series than it keeps keys for', () => {
    const sealed = Array.from({ length: boxLimits.seriesKeysMax + 5 }, () => createBox(key, { random }).seal(name));
    for (const each of [...sealed, ...sealed]) expect(box.open(each)).toEqual(name);
  });
});
