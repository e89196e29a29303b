import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CountMin } from './count-min.ts';

const ids = fc.array(fc.integer({ min: 0, max: 60 }).map(String), { maxLength: 200 });
const small = { rows: 3, columns: 11 };

describe('the count-min sketch', () => {
  it('never counts too few, and never more than all', () => {
    fc.assert(
      fc.property(ids, fc.integer(), (stream, seed) => {
        const sketch = new CountMin(small, { random: createSeededRandom(seed) });
        const truth = new Map<string, number>();
        for (const id of stream) {
          truth.set(id, (truth.get(id) ?? 0) + 1);
          expect(sketch.add(id)).toBe(sketch.estimate(id));
        }
        for (const [id, count] of truth) {
          expect(sketch.estimate(id)).toBeGreaterThanOrEqual(count);
          expect(sketch.estimate(id)).toBeLessThanOrEqual(stream.length);
        }
      }),
    );
  });

  it('keeps the same minimum whether it is asked after each id or once', () => {
    fc.assert(
      fc.property(ids, fc.integer(), fc.nat(200), (stream, seed, halveAt) => {
        const asked = new CountMin(small, { random: createSeededRandom(seed) });
        const unasked = new CountMin(small, { random: createSeededRandom(seed) });
        for (const [index, id] of stream.entries()) {
          for (const sketch of [asked, unasked]) {
            sketch.add(id);
            if (index === halveAt) sketch.halve();
          }
          asked.minimumNonZero();
        }
        expect(asked.minimumNonZero()).toBe(unasked.minimumNonZero());
      }),
    );
  });

  it('takes the minimum over the counters that are used', () => {
    const sketch = new CountMin({ rows: 10, columns: 50 }, { random: createSeededRandom(1) });
    expect(sketch.minimumNonZero()).toBe(0);
    for (let time = 0; time < 3; time += 1) sketch.add('only');
    expect(sketch.minimumNonZero()).toBe(3);
    sketch.halve();
    expect(sketch.estimate('only')).toBe(1);
    expect(sketch.estimate('another')).toBeLessThanOrEqual(1);
  });

  it('refuses sizes that make no sense', () => {
    const make = (rows: number, columns: number) => () =>
      new CountMin({ rows, columns }, { random: createSeededRandom(1) });
    expect(make(0, 5)).toThrow('rows');
    expect(make(33, 5)).toThrow('rows');
    expect(make(2, 0)).toThrow('columns');
    expect(make(2, 65_537)).toThrow('columns');
  });
});
