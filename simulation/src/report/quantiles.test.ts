import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Quantiles } from './quantiles.ts';

describe('Quantiles', () => {
  it('gives quantiles within one per cent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.01, 0.5, 0.95, 0.99, 1),
        (values, share) => {
          const quantiles = new Quantiles();
          for (const value of values) quantiles.add(value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
          expect(Math.abs(quantiles.at(share) - exact) / exact).toBeLessThan(0.01);
        },
      ),
    );
  });

  it('knows nothing of nothing, and takes the least and the greatest', () => {
    const quantiles = new Quantiles();
    expect([quantiles.at(0.5), quantiles.mean, quantiles.count]).toEqual([0, 0, 0]);
    quantiles.add(0);
    expect(quantiles.at(0.5)).toBe(0);
    quantiles.add(1e30);
    expect(quantiles.at(1)).toBeLessThanOrEqual(quantiles.max);
  });
});
