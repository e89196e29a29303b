import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountant, multiplierAgainst, multiplierFor } from './accountant.ts';
import { addTruncated, clippedToNorm, type NoiseTask, noiseFault, noisyVector, siteDeviationSteps } from './noise.ts';

const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1, noiseMultiplier: 2, unit: 'site' } as const;
const task: NoiseTask = {
  sitesMin: 4,
  sitesMax: 10,
  sum: { range: 4, steps: 65_536, neighbours: 'all', threshold: 3 },
  privacy,
};
const norm = (values: Iterable<number>) => Math.hypot(...values);

describe('clipping to a norm', () => {
  it('never leaves more than the norm, rounding included, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 40 }), (values) => {
        const { values: clipped } = clippedToNorm(values, 2);
        expect(norm(clipped)).toBeLessThanOrEqual(2 + 1e-9);
        const steps = new Float64Array(clipped.length);
        addTruncated(steps, clipped, 1000);
        expect(norm(steps)).toBeLessThanOrEqual(2000 + 1e-6);
      }),
    );
  });

  it('leaves a short vector as it is and keeps the direction of a long one', () => {
    expect(clippedToNorm([0.3, -0.4], 1)).toEqual({ values: Float64Array.of(0.3, -0.4), isClipped: false });
    const { values, isClipped } = clippedToNorm([30, -40], 1);
    expect(isClipped).toBe(true);
    expect([...values]).toEqual([0.6, -0.8]);
  });

  it('takes what is no number for nothing', () => {
    expect([...clippedToNorm([Number.NaN, Number.POSITIVE_INFINITY, 0.5], 1).values]).toEqual([0, 0, 0.5]);
    expect(norm(clippedToNorm([1e308, 1e308], 1).values)).toBeCloseTo(1);
  });
});

describe('noise of several sites', () => {
  it('has the deviation of the terms in the sum over as many as there must be', () => {
    const length = 1500;
    const sum = new Int32Array(length);
    for (let site = 0; site < task.sitesMin; site += 1) {
      const vector = noisyVector(new Float64Array(length), task, { random: createSeededRandom(site) });
      for (const [index, value] of vector.entries()) sum[index] = ((sum[index] ?? 0) + value) | 0;
    }
    const deviation = norm(sum) / Math.sqrt(length) / task.sum.steps;
    // Four standard errors.
    expect(Math.abs(deviation / 2 - 1)).toBeLessThan(4 / Math.sqrt(2 * length));
  });

  it('stands on top of the value, which is held to the range', () => {
    const huge = Float64Array.of(1e12, -1e12, 0);
    const vector = noisyVector(huge, task, { random: createSeededRandom(1) });
    const values = Array.from(vector, (value) => (value | 0) / task.sum.steps);
    const deviation = siteDeviationSteps(task) / task.sum.steps;
    for (const [index, expected] of [4, -4, 0].entries())
      expect(Math.abs((values[index] ?? 0) - expected)).toBeLessThan(6 * deviation);
  });

  it.each([
    ['norm', { privacy: { ...privacy, normMax: 5 } }],
    ['multiplier', { privacy: { ...privacy, noiseMultiplier: 0 } }],
    ['delta', { privacy: { ...privacy, delta: 0 } }],
    ['delta', { privacy: { ...privacy, delta: 0.05 } }],
    ['epsilon', { privacy: { ...privacy, epsilonMax: 0 } }],
    ['steps wide', { sum: { ...task.sum, steps: 2 } }],
    ['2^31', { sum: { ...task.sum, steps: 2 ** 26 } }],
    ['fits the sum', { privacy: { ...privacy, noiseMultiplier: 1e5 }, sum: { ...task.sum, steps: 2 ** 22 } }],
  ])('is refused beforehand where it cannot be: %s', (word, changes) => {
    expect(noiseFault(task)).toBeNull();
    expect(noiseFault({ ...task, ...changes })).toContain(word);
  });
});

describe('the accountant', () => {
  it('is at its limit with the multiplier it names for it', () => {
    for (const rounds of [1, 10, 100]) {
      const noiseMultiplier = multiplierFor(8, 1e-5, rounds);
      expect(accountant.epsilonAfter({ ...privacy, noiseMultiplier }, rounds, 4)).toBeCloseTo(8, 6);
    }
  });

  it('says what drop-outs and colluders leave of the noise', () => {
    expect(multiplierAgainst(privacy, { sitesMin: 4, sites: 4, knowing: 0 })).toBe(2);
    // One curious site knows its own noise; an attacker with three of four leaves one site's.
    expect(multiplierAgainst(privacy, { sitesMin: 4, sites: 4, knowing: 1 })).toBeCloseTo(2 * Math.sqrt(3 / 4));
    expect(multiplierAgainst(privacy, { sitesMin: 4, sites: 4, knowing: 3 })).toBe(1);
    // Who is there beyond the least number adds noise of its own.
    expect(multiplierAgainst(privacy, { sitesMin: 4, sites: 9, knowing: 0 })).toBe(3);
    expect(multiplierAgainst(privacy, { sitesMin: 4, sites: 4, knowing: 5 })).toBe(0);
  });
});
