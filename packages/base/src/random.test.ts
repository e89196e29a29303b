import { describe, expect, it } from 'vitest';
import { createRandomOf, createSeededRandom, createSystemRandom } from './random.ts';

describe('the seeded generator', () => {
  it('gives the same sequence for the same seed, on every machine', () => {
    const random = createSeededRandom(42);
    expect([random.integer(1000), random.integer(1000), random.integer(1000)]).toEqual([456, 574, 831]);
    expect(createSeededRandom(42).bytes(8)).toEqual(createSeededRandom(42).bytes(8));
    expect(createSeededRandom(42).bytes(8)).not.toEqual(createSeededRandom(43).bytes(8));
  });

  it('is uniform enough: chi-square over 64 cells stays below the 99.9 % point', () => {
    const random = createSeededRandom(7);
    const cells = new Array<number>(64).fill(0);
    const draws = 64_000;
    for (let draw = 0; draw < draws; draw += 1) {
      const cell = random.integer(64);
      cells[cell] = (cells[cell] ?? 0) + 1;
    }
    const chiSquare = cells.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(103.4);
  });

  it('has normal deviates of mean 0 and variance 1', () => {
    const random = createSeededRandom(9);
    const values = Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});

describe.each([
  ['seeded', createSeededRandom(1)],
  ['system', createSystemRandom()],
  ['of bytes', createRandomOf((length) => globalThis.crypto.getRandomValues(new Uint8Array(length)))],
])('any generator (%s)', (_name, random) => {
  it('stays in range', () => {
    for (let draw = 0; draw < 1000; draw += 1) {
      expect(random.float()).toBeGreaterThanOrEqual(0);
      expect(random.float()).toBeLessThan(1);
      expect(random.integer(3)).toBeLessThan(3);
    }
    expect(random.bytes(5)).toHaveLength(5);
  });

  it('shuffles without losing or inventing', () => {
    const items = Array.from({ length: 50 }, (_, index) => index);
    const shuffled = random.shuffle(items);
    expect(shuffled).not.toEqual(items);
    expect([...shuffled].sort((one, other) => one - other)).toEqual(items);
  });
});
