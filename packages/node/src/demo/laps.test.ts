import { createSeededRandom } from '@pulsemesh/base';
import { generateRecording } from '@pulsemesh/vitals/recordings';
import { expect, it } from 'vitest';
import { playLaps } from './laps.ts';

const stretches = [{ rhythm: 'sinus', seconds: 60 }] as const;
const recording = generateRecording({ name: 'one', stretches }, { random: createSeededRandom(1) });
const lap = { entrySecond: 10, lapSeconds: 20 };
const take = (from: number, count: number) => playLaps(recording, lap, from).take(count).toArray();

it('goes on over the end of the stretch, with time going on', () => {
  const points = take(0, 60);
  expect(points.map((point) => point.position)).toEqual(Array.from({ length: 60 }, (_, index) => index));
  expect(points[25]?.heartRateBpm).toBe(points[5]?.heartRateBpm);
});

it('enters anywhere as if it had played from the start', () => {
  expect(take(33, 10)).toEqual(take(0, 60).slice(33, 43));
});

it('ends where there is nothing to play', () => {
  expect(playLaps(recording, { entrySecond: 1_000, lapSeconds: 20 }, 0).toArray()).toEqual([]);
});
