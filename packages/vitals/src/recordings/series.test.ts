import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../readings/reading.ts';
import { generatedSecondsMax, generateRecording, restingHeart } from './generator.ts';
import type { BeatRecording, RateRecording } from './recording.ts';
import { fibrillationEpisodes } from './rhythm.ts';
import { durationSeconds, seriesOf, toReadings } from './series.ts';

function beats(...rrMs: number[]): BeatRecording {
  return { type: 'beats', name: 'a', firstBeatSeconds: 0, rrMs: Float64Array.from(rrMs), rhythms: [] };
}

describe('a recording played as a device', () => {
  it('says at each second the rate of the last complete interval, with the intervals that ended since', () => {
    const points = [...seriesOf(beats(500, 400, 600, 1200, 800), 'rr')];
    expect(points).toEqual([
      { second: 1, heartRateBpm: 150, rrMs: [500, 400] },
      { second: 2, heartRateBpm: 100, rrMs: [600] },
      { second: 3, heartRateBpm: 50, rrMs: [1200] },
      { second: 4, heartRateBpm: 75, rrMs: [800] },
    ]);
    expect([...seriesOf(beats(500, 400, 600), 'hr')].every(({ rrMs }) => rrMs.length === 0)).toBe(true);
  });

  it('loses no interval and reports none twice', () => {
    const recording = generateRecording(
      { name: 'g', stretches: [{ rhythm: 'fibrillation', seconds: 300 }] },
      { random: createSeededRandom(1) },
    );
    const reported = [...seriesOf(recording, 'rr')].flatMap(({ rrMs }) => rrMs);
    expect(reported).toEqual([...recording.rrMs]);
  });

  it('is silent through a gap and about intervals no sensor reports', () => {
    const points = [...seriesOf(beats(1000, 1000, 10_000, 100, 1000, 900), 'rr')];
    expect(points.map(({ second }) => second)).toEqual([1, 2, 3, 4, 5, 14]);
    expect(points.at(-1)).toEqual({ second: 14, heartRateBpm: 60_000 / 900, rrMs: [1000, 900] });
  });

  it('on the wrist says the mean of the last five seconds, rounded', () => {
    const rates: RateRecording = {
      type: 'rate',
      name: 'm',
      heartRateBpm: Float64Array.of(60, 61, 70, Number.NaN, 80, 81),
    };
    const points = [...seriesOf(rates, 'wrist')];
    expect(points.map(({ second, heartRateBpm }) => [second, heartRateBpm])).toEqual([
      [0, 60],
      [1, 61],
      [2, 64],
      [4, 68],
      [5, 73],
    ]);
    expect(durationSeconds(rates)).toBe(6);
  });

  it('plays the part that is asked for, with the clock of the whole', () => {
    const all = [...seriesOf(beats(...new Array<number>(60).fill(800)), 'rr')];
    const part = [...seriesOf(beats(...new Array<number>(60).fill(800)), 'rr', { fromSecond: 10, untilSecond: 20 })];
    expect(part).toEqual(all.filter(({ second }) => second >= 10 && second < 20));
    const [first] = toReadings(part, { userId: 'u' as UserId, startMs: 5000 });
    expect(first).toMatchObject({ userId: 'u', tMs: 15_000, heartRateBpm: 75, seq: null });
  });
});

/** Root mean square of successive differences, standard deviation, mean. */
function statistics(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const steps = values.slice(1).map((value, index) => value - (values[index] ?? 0));
  const correlation = (lag: number) =>
    values.slice(lag).reduce((sum, value, index) => sum + (value - mean) * ((values[index] ?? 0) - mean), 0) /
    (variance * values.length);
  return {
    mean,
    deviation: Math.sqrt(variance),
    stepRootMeanSquare: Math.sqrt(steps.reduce((sum, step) => sum + step * step, 0) / steps.length),
    correlation,
  };
}

describe('the generated heart', () => {
  const generate = (rhythm: 'sinus' | 'ectopy' | 'fibrillation', seconds: number, seed: number) =>
    generateRecording({ name: 'g', stretches: [{ rhythm, seconds }] }, { random: createSeededRandom(seed) });

  it('in sinus rhythm has the five-minute variability of healthy adults (Nunan 2010: SDNN 50 ± 16, RMSSD 42 ± 15 ms)', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { mean, deviation, stepRootMeanSquare } = statistics([...generate('sinus', 300, seed).rrMs]);
      expect(mean).toBeGreaterThan(926 - 90);
      expect(mean).toBeLessThan(926 + 90);
      expect(deviation).toBeGreaterThan(34);
      expect(deviation).toBeLessThan(66);
      expect(stepRootMeanSquare).toBeGreaterThan(27);
      expect(stepRootMeanSquare).toBeLessThan(57);
    }
  });

  it('breathes: the interval rises and falls with the breath', () => {
    const { correlation } = statistics([...generate('sinus', 3600, 3).rrMs]);
    // At 15 breaths a minute and 926 ms two beats are half a breath apart, four a whole one.
    expect(correlation(4)).toBeGreaterThan(correlation(2) + 0.1);
  });

  it('in fibrillation varies by a quarter and remembers nothing (Bootsma 1970: no coefficient differs from zero)', () => {
    const { mean, deviation, correlation } = statistics([...generate('fibrillation', 7200, 4).rrMs]);
    expect(mean).toBeGreaterThan(restingHeart.fibrillationRrMs * 0.95);
    expect(mean).toBeLessThan(restingHeart.fibrillationRrMs * 1.05);
    expect(deviation / mean).toBeGreaterThan(0.2);
    expect(deviation / mean).toBeLessThan(0.28);
    for (const lag of [1, 2, 3, 4, 5]) expect(Math.abs(correlation(lag))).toBeLessThan(0.04);
  });

  it('beats early now and then, and pauses so that the two make up for each other', () => {
    const intervals = [...generate('ectopy', 3600, 5).rrMs];
    const early = intervals.flatMap((interval, index) => (index > 0 && interval < 700 ? [index] : []));
    expect(early.length / intervals.length).toBeGreaterThan(0.015);
    expect(early.length / intervals.length).toBeLessThan(0.05);
    for (const index of early.slice(0, -1)) {
      const pair = (intervals[index] ?? 0) + (intervals[index + 1] ?? 0);
      expect(pair).toBeGreaterThan(2 * 700);
      expect(pair).toBeLessThan(2 * 1150);
    }
  });

  it('is the same for the same seed, and labelled as an annotator would', () => {
    const stretches = [
      { rhythm: 'sinus', seconds: 60 },
      { rhythm: 'ectopy', seconds: 60 },
      { rhythm: 'fibrillation', seconds: 600 },
    ] as const;
    const [one, other] = [1, 1].map((seed) =>
      generateRecording({ name: 'g', stretches }, { random: createSeededRandom(seed) }),
    );
    expect(one).toEqual(other);
    expect(one?.rhythms.map(({ rhythm }) => rhythm)).toEqual(['N', 'AFIB']);
    const [episode] = fibrillationEpisodes(one?.rhythms ?? [], durationSeconds(one as BeatRecording), 300);
    expect(Math.abs((episode?.fromSeconds ?? 0) - 120)).toBeLessThan(3);
  });

  it('refuses to live longer than a week', () => {
    expect(() => generate('sinus', generatedSecondsMax + 1, 1)).toThrow('a week');
  });
});
