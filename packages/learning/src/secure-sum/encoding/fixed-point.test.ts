import { AssertionError } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addWords } from '../words.ts';
import { decodeFixedPoint, encodeFixedPoint, fixedPointFault, NotANumberError } from './fixed-point.ts';

const terms = { range: 8, steps: 2 ** 20, sites: 100 };

describe('fixed point', () => {
  it('gives back the exact sum of the rounded values, whatever they are', () => {
    const anyValue = fc.oneof(fc.double({ noNaN: true }), fc.double({ min: -9, max: 9, noNaN: true }));
    const vectors = fc.array(fc.array(anyValue, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(vectors, (sites) => {
        const sum = new Uint32Array(4);
        const expected = [0n, 0n, 0n, 0n];
        let outside = 0;
        let clipped = 0;
        for (const values of sites) {
          const encoded = encodeFixedPoint(values, terms);
          addWords(sum, encoded.words);
          clipped += encoded.clipped;
          for (const [at, value] of values.entries()) {
            const inside = Math.min(terms.range, Math.max(-terms.range, value));
            if (inside !== value) outside += 1;
            expected[at] = (expected[at] as bigint) + BigInt(Math.round(inside * terms.steps));
          }
        }
        expect([...decodeFixedPoint(sum, terms)]).toEqual(expected.map((steps) => Number(steps) / terms.steps));
        expect(clipped).toBe(outside);
      }),
    );
  });

  it('does not go round even where all sites give the largest value', () => {
    const most = { range: 8, steps: 2 ** 20, sites: 255 };
    for (const value of [8, -8]) {
      const sum = new Uint32Array(1);
      for (let site = 0; site < most.sites; site += 1) addWords(sum, encodeFixedPoint([value], most).words);
      expect(decodeFixedPoint(sum, most)[0]).toBe(value * most.sites);
    }
  });

  it('refuses terms under which a sum could go round', () => {
    expect(fixedPointFault({ range: 8, steps: 2 ** 20, sites: 255 })).toBeNull();
    expect(fixedPointFault({ range: 8, steps: 2 ** 20, sites: 256 })).toBe('the sum does not fit 32 bits');
    expect(fixedPointFault({ range: 8, steps: 2 ** 20, sites: 255, marginSteps: 2 ** 20 })).not.toBeNull();
    expect(() => encodeFixedPoint([1], { ...terms, sites: 1e6 })).toThrow(AssertionError);
    for (const wrong of [{ range: 0 }, { steps: Number.NaN }, { sites: 0.5 }, { marginSteps: -1 }, { range: Infinity }])
      expect(fixedPointFault({ ...terms, ...wrong })).not.toBeNull();
  });

  it('clips infinities and counts them, and says which value is no number', () => {
    const { words, clipped } = encodeFixedPoint([Infinity, -Infinity, -8, 0], terms);
    expect([...decodeFixedPoint(words, terms)]).toEqual([8, -8, -8, 0]);
    expect(clipped).toBe(2);
    expect(() => encodeFixedPoint([0, Number.NaN], terms)).toThrow(NotANumberError);
  });
});
