import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weightedSample } from './weighted-sample.ts';

describe('the weighted sample', () => {
  it('is a part of the items without repetition, as many as asked for and weigh anything', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(1_000)),
        fc.integer({ min: -1, max: 50 }),
        fc.integer(),
        (items, count, seed) => {
          const weight = (item: number) => item % 3;
          const sample = weightedSample(items, weight, count, createSeededRandom(seed));
          const heavy = items.filter((item) => weight(item) > 0);
          expect(sample).toHaveLength(Math.min(Math.max(0, count), heavy.length));
          expect(new Set(sample).size).toBe(sample.length);
          for (const item of sample) expect(heavy).toContain(item);
        },
      ),
    );
  });

  it('draws one item in proportion to the weights', () => {
    const random = createSeededRandom(3);
    const drawn = [0, 0, 0];
    for (let time = 0; time < 9_000; time += 1) {
      const [item = 0] = weightedSample([0, 1, 2], (index) => 2 ** index, 1, random);
      drawn[item] = (drawn[item] as number) + 1;
    }
    expect((drawn[0] as number) / 9_000).toBeCloseTo(1 / 7, 1);
    expect((drawn[2] as number) / 9_000).toBeCloseTo(4 / 7, 1);
  });
});
