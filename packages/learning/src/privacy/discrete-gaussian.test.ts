import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createDiscreteGaussian } from './discrete-gaussian.ts';

function draw(variance: number, count: number, seed: number): Int32Array {
  const next = createDiscreteGaussian(variance, { random: createSeededRandom(seed) });
  return Int32Array.from({ length: count }, () => next());
}

describe('the discrete Gaussian', () => {
  it.each([1, 2, 5])('of variance %d has the shape it should (chi-squared, fixed seed)', (variance) => {
    const count = 40_000;
    const reach = Math.ceil(4 * Math.sqrt(variance));
    const seen = new Map<number, number>();
    for (const value of draw(variance, count, variance)) {
      const bin = Math.max(-reach, Math.min(reach, value));
      seen.set(bin, (seen.get(bin) ?? 0) + 1);
    }
    const weight = (value: number) => Math.exp((-value * value) / (2 * variance));
    let total = 0;
    for (let value = -60; value <= 60; value += 1) total += weight(value);
    let statistic = 0;
    for (let bin = -reach; bin <= reach; bin += 1) {
      let share = 0;
      for (let value = -60; value <= 60; value += 1) {
        if (Math.max(-reach, Math.min(reach, value)) === bin) share += weight(value) / total;
      }
      statistic += ((seen.get(bin) ?? 0) - count * share) ** 2 / (count * share);
    }
    // 99.9 % of chi-squared with 2·reach degrees of freedom (Wilson & Hilferty).
    const freedom = 2 * reach;
    expect(statistic).toBeLessThan(freedom * (1 - 2 / (9 * freedom) + 3.09 * Math.sqrt(2 / (9 * freedom))) ** 3);
  });

  it('of a large variance has its mean, variance and kurtosis', () => {
    const variance = 12_345_678_901;
    const next = createDiscreteGaussian(variance, { random: createSeededRandom(7) });
    const values = Array.from({ length: 4000 }, () => next());
    const scaled = values.map((value) => value / Math.sqrt(variance));
    const mean = (power: number) => scaled.reduce((sum, value) => sum + value ** power, 0) / scaled.length;
    // Four standard errors each.
    expect(Math.abs(mean(1))).toBeLessThan(4 / Math.sqrt(4000));
    expect(Math.abs(mean(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / 4000));
    expect(Math.abs(mean(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / 4000));
    expect(values.every(Number.isInteger)).toBe(true);
  });

  it('is the same for the same seed', () => {
    expect(draw(100, 50, 3)).toEqual(draw(100, 50, 3));
    expect(draw(100, 50, 3)).not.toEqual(draw(100, 50, 4));
  });

  it('takes a variance that is no whole number of steps for a bug', () => {
    for (const variance of [0, -1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => createDiscreteGaussian(variance, { random: createSeededRandom(1) })).toThrow('whole number');
    }
  });
});
