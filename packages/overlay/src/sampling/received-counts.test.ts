import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { ReceivedCounts } from './received-counts.ts';

const made = (change: { exactIdsMax?: number; halveAfter?: number; halveAfterPerId?: number } = {}) =>
  new ReceivedCounts(
    { exactIdsMax: 100, halveAfter: 1_000_000, halveAfterPerId: 1, ...change },
    { random: createSeededRandom(1) },
  );

describe('the counts of received ids', () => {
  it('are exact up to their limit of different ids, then a sketch that does not grow', () => {
    const counts = made();
    for (let time = 0; time < 3; time += 1) for (let id = 0; id < 100; id += 1) counts.add(`id ${id}`);
    expect(counts.isSketched).toBe(false);
    expect(counts.estimate('id 7')).toBe(3);
    counts.add('one too many');
    expect(counts.isSketched).toBe(true);
    expect(counts.exactIdCount).toBe(0);
    expect(counts.estimate('id 7')).toBeGreaterThanOrEqual(3);
    for (let id = 0; id < 10_000; id += 1) counts.add(`more ${id}`);
    expect(counts.exactIdCount).toBe(0);
  });

  it('count a frequent id higher than a rare one in the sketch, too', () => {
    const counts = made();
    for (let id = 0; id < 200; id += 1) {
      counts.add(`id ${id}`);
      for (let time = 0; time < 20; time += 1) counts.add('frequent');
    }
    expect(counts.estimate('frequent')).toBeGreaterThan(10 * counts.estimate('id 3'));
  });

  it('halve after so many ids, and forget whom nobody names', () => {
    const counts = made({ halveAfter: 8 });
    counts.add('once');
    for (let time = 0; time < 6; time += 1) counts.add('often');
    expect(counts.estimate('often')).toBe(6);
    counts.add('often');
    expect(counts.estimate('often')).toBe(3.5);
    expect(counts.exactIdCount).toBe(1);
  });

  it('halve later where more ids are known, so that counts go on telling something', () => {
    const counts = made({ halveAfter: 8, halveAfterPerId: 4 });
    for (let time = 0; time < 3; time += 1) for (let id = 0; id < 10; id += 1) counts.add(`id ${id}`);
    expect(counts.estimate('id 3')).toBe(3);
  });

  it('are at least one, so that weights stay finite', () => {
    expect(made().estimate('never')).toBe(1);
  });
});
