import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading, UserId } from '../readings/reading.ts';
import { featureCount, featureMax, featureNames, featuresOf } from './features.ts';
import { signalOf, signalValuesMax } from './signal.ts';

const named = (values: readonly number[]) => {
  const features = featuresOf(values);
  return Object.fromEntries(featureNames.map((name, index) => [name, features[index] ?? Number.NaN]));
};

describe('the features of a window', () => {
  it('are finite and bounded for every list of intervals', () => {
    const interval = fc.oneof(fc.double({ min: 200, max: 3000, noNaN: true }), fc.constantFrom(200, 800, 3000));
    fc.assert(
      fc.property(fc.array(interval, { maxLength: signalValuesMax }), (values) => {
        const features = featuresOf(values);
        expect(features.length).toBe(featureCount);
        for (const feature of features) {
          expect(Number.isFinite(feature)).toBe(true);
          expect(Math.abs(feature)).toBeLessThanOrEqual(featureMax);
        }
      }),
    );
  });

  it('say nothing of fewer than three intervals', () => {
    expect([...featuresOf([800, 900])].every((feature) => feature === 0)).toBe(true);
  });

  it('of a metronome show no variation', () => {
    const features = named(new Array<number>(12).fill(800));
    expect(features).toMatchObject({ 'mean-seconds': 0.8, variation: 0, rmssd: 0, range: 0, 'steps-under-2pc': 1 });
  });

  it('other than the mean do not change with the pace, but for those with a limit in milliseconds', () => {
    const paced = ['mean-seconds', 'steps-over-50ms', 'sample-entropy'];
    const intervals = [600, 640, 580, 700, 660, 610, 590, 720, 640];
    const [slow, fast] = [named(intervals.map((value) => value * 1.5)), named(intervals)];
    for (const name of featureNames.filter((each) => !paced.includes(each))) {
      expect(slow[name]).toBeCloseTo(fast[name] ?? Number.NaN, 9);
    }
  });

  it('see through an early beat and its pause', () => {
    const features = named([800, 800, 800, 560, 1040, 800, 800, 800, 560, 1040, 800, 800]);
    expect(features['variation']).toBeGreaterThan(0.15);
    expect(features['variation-without-ectopy']).toBeLessThan(1e-9);
  });
});

describe('the signal of a window', () => {
  const reading = (tMs: number, heartRateBpm: number, rrMs: readonly number[] = []): Reading => ({
    userId: 'u' as UserId,
    tMs,
    heartRateBpm,
    rrMs,
    seq: null,
    confidence: null,
    isStamped: false,
  });

  it('is the plausible intervals of an rr window, bounded', () => {
    const readings = [reading(0, 75, [800, 100, 810]), reading(1000, 75, [3500, 790])];
    expect(signalOf({ input: 'rr', readings })).toEqual([800, 810, 790]);
    const crowded = [reading(0, 75, new Array<number>(signalValuesMax + 5).fill(800))];
    expect(signalOf({ input: 'rr', readings: crowded })).toHaveLength(signalValuesMax);
  });

  it('is one value a second of a rate, the last', () => {
    const readings = [reading(0, 60), reading(500, 75), reading(1200, 100), reading(2000, 10)];
    expect(signalOf({ input: 'hr', readings })).toEqual([800, 600]);
  });
});
