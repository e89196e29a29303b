import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleBuffer } from './sample-buffer.ts';

const contents = (buffer: SampleBuffer) => [...buffer.since(Number.NEGATIVE_INFINITY).tSeconds];

describe('the sample buffer', () => {
  it('keeps the newest readings in order, each time once, whatever order they come in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (times, capacity) => {
          const buffer = new SampleBuffer(capacity);
          const kept: number[] = [];
          for (const t of times) {
            const isNews = !kept.includes(t) && (kept.length < capacity || t > (kept[0] ?? 0));
            expect(buffer.add(t, 60 + t)).toBe(isNews);
            if (isNews) kept.push(t);
            kept.sort((a, b) => a - b);
            if (kept.length > capacity) kept.shift();
          }
          expect(contents(buffer)).toEqual(kept);
          expect([...buffer.since(0).bpm]).toEqual(kept.map((t) => 60 + t));
        },
      ),
    );
  });

  it('takes a burst longer than itself after a lost connection', () => {
    const buffer = new SampleBuffer(8);
    for (let t = 0; t < 1_000; t += 1) buffer.add(t, 70);
    expect(contents(buffer)).toEqual([992, 993, 994, 995, 996, 997, 998, 999]);
    expect(buffer.newestSeconds).toBe(999);
  });

  it('gives the readings from a moment on', () => {
    const buffer = new SampleBuffer(8);
    for (const t of [1, 2, 5, 9]) buffer.add(t, t);
    expect([...buffer.since(2).tSeconds]).toEqual([2, 5, 9]);
    expect([...buffer.since(3).tSeconds]).toEqual([5, 9]);
    expect([...buffer.since(10).tSeconds]).toEqual([]);
  });

  it('is empty at first', () => {
    const buffer = new SampleBuffer(2);
    expect([buffer.length, buffer.newestSeconds, buffer.newestBpm]).toEqual([0, null, null]);
  });
});
