import { describe, expect, it } from 'vitest';
import {
  concentrationOf,
  distributedGaussianCurve,
  epsilonOf,
  epsilonOfCurve,
  gaussianCurve,
  orders,
  roundedNorm,
  sampledGaussianCurve,
} from './renyi.ts';

describe('privacy accounting', () => {
  it('gives the epsilon that Opacus expects of 2,250 sampled steps (opacus/tests/accountants_test.py)', () => {
    const curve = sampledGaussianCurve(1.5, 0.04);
    expect(epsilonOfCurve((order) => 2250 * curve(order), 1e-5)).toBeCloseTo(7.32911117143, 7);
  });

  it('gives the divergences that dp_accounting expected of the sampled Gaussian (rdp_privacy_accountant_test.py of 2021)', () => {
    const curve = sampledGaussianCurve(2.5, 0.01);
    const expected = [
      [1.5, 6.5007e-4],
      [2.5, 1.0854e-3],
      [5, 2.1808e-3],
      [50, 2.3846e-2],
      [100, 1.6742e2],
    ] as const;
    for (const [order, value] of expected) expect(Math.abs((50 * curve(order)) / value - 1)).toBeLessThan(1e-4);
  });

  it('gives epsilon 1 at delta 1e-6 for the multiplier that dp_accounting names for it', () => {
    expect(epsilonOf(concentrationOf(4.530877117), 1e-6)).toBeCloseTo(1, 7);
  });

  it('gives the epsilon of pure privacy that dp_accounting counts by hand', () => {
    const at = Array.from({ length: 31 }, (_, index) => index + 2);
    expect(epsilonOfCurve(() => 1.1, 1e-5, at)).toBeCloseTo(1.32783806176, 10);
  });

  it('agrees with the sum over binomials where the order is a whole number', () => {
    const [deviation, rate, order] = [0.8, 0.3, 7];
    let mean = 0;
    let choices = 1;
    for (let count = 0; count <= order; count += 1) {
      const power = Math.exp((count * count - count) / (2 * deviation ** 2));
      mean += choices * (1 - rate) ** (order - count) * rate ** count * power;
      choices = (choices * (order - count)) / (count + 1);
    }
    expect(sampledGaussianCurve(deviation, rate)(order)).toBeCloseTo(Math.log(mean) / (order - 1), 11);
  });

  it('takes a sample of nobody for free, and of all for the plain mechanism', () => {
    expect(sampledGaussianCurve(1, 0)(3)).toBe(0);
    expect(sampledGaussianCurve(2, 1)(3)).toBe(gaussianCurve(2)(3));
    expect(sampledGaussianCurve(0, 0.5)(3)).toBe(Number.POSITIVE_INFINITY);
  });

  it('stays above the exact bound of the Gaussian mechanism (Balle & Wang 2018, theorem 8)', () => {
    for (const multiplier of [0.7, 1, 2, 5]) {
      const epsilon = epsilonOf(concentrationOf(multiplier), 1e-5);
      expect(exactDelta(epsilon, multiplier)).toBeLessThanOrEqual(1e-5);
      expect(exactDelta(epsilon * 0.85, multiplier)).toBeGreaterThan(1e-5);
    }
  });

  it('is monotone: more rounds, less noise or a smaller delta never cost less', () => {
    const epsilons = [0, 0.01, 0.1, 1, 10].map((concentration) => epsilonOf(concentration, 1e-5));
    expect(epsilons).toEqual([...epsilons].sort((one, other) => one - other));
    expect(epsilonOf(0.5, 1e-8)).toBeGreaterThan(epsilonOf(0.5, 1e-5));
    expect(epsilonOf(Number.POSITIVE_INFINITY, 1e-5)).toBe(Number.POSITIVE_INFINITY);
  });

  it('finds no better order on the grid than in the closed search', () => {
    for (const multiplier of [0.5, 1, 3, 10]) {
      const onGrid = epsilonOfCurve(gaussianCurve(multiplier), 1e-5, orders);
      expect(epsilonOf(concentrationOf(multiplier), 1e-5)).toBeLessThanOrEqual(onGrid + 1e-9);
    }
  });
});

describe('a sum of discrete Gaussians', () => {
  const noise = { sites: 10, sensitivity: 1000, dimension: 1313 };

  it('is as good as a Gaussian of their variance when each is some steps wide', () => {
    const wide = distributedGaussianCurve({ ...noise, deviation: 500 });
    const multiplier = (500 * Math.sqrt(10)) / 1000;
    expect(wide(4)).toBe((4 / 2) * (1 / multiplier) ** 2);
  });

  it('costs more where each is narrower than a step', () => {
    const narrow = distributedGaussianCurve({ ...noise, sensitivity: 1, deviation: 0.5 });
    expect(narrow(4)).toBeGreaterThan(2 * (1 / (0.5 * Math.sqrt(10))) ** 2);
  });

  it('with fewer honest sites is worse', () => {
    const curve = (sites: number) => distributedGaussianCurve({ ...noise, deviation: 500, sites })(4);
    expect(curve(5)).toBeCloseTo(2 * curve(10), 10);
  });

  it('knows what rounding does to a norm', () => {
    expect(roundedNorm(100, 400)).toBe(120);
    const likely = 100 ** 2 + 100 + Math.sqrt(2 * Math.log(1e4)) * (100 + 10);
    expect(roundedNorm(100, 400, 1e-4)).toBeCloseTo(Math.sqrt(likely));
    expect(roundedNorm(1, 4, 1e-300)).toBe(3);
  });
});

/** δ of the Gaussian mechanism at ε. */
function exactDelta(epsilon: number, multiplier: number): number {
  const below = (x: number) => normalTail(-x);
  return (
    below(1 / (2 * multiplier) - epsilon * multiplier) -
    Math.exp(epsilon) * below(-1 / (2 * multiplier) - epsilon * multiplier)
  );
}

/** Probability of a standard normal above x, by summing its density. */
function normalTail(x: number): number {
  let sum = 0;
  const step = 1e-3;
  for (let at = x + step / 2; at < x + 40; at += step) sum += Math.exp((-at * at) / 2);
  return (sum * step) / Math.sqrt(2 * Math.PI);
}
