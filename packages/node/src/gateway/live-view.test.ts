import { describe, expect, it } from 'vitest';
import { LiveView } from './live-view.ts';

const one = '1'.repeat(32);
const view = () => new LiveView(() => ({ type: 'acknowledged', alertId: 'a', by: 'x', atMs: 1 }));
const item = (readings: unknown[], windows: unknown[] = [], alerts: unknown[] = []) => ({ readings, windows, alerts });

describe('the live view', () => {
  it('passes each reading once, though two peers push it', () => {
    const live = view();
    const first = live.take(item([[one, 1_000, 61, [980]]]), 5);
    expect(first.readings).toEqual([{ subject: one, tMs: 1_000, heartRateBpm: 61, rrMs: [980] }]);
    expect(live.take(item([[one, 1_000, 61, [980]]]), 6).readings).toEqual([]);
    expect(live.lastOf(one)).toMatchObject({ lastReadingMs: 1_000, lastArrivalMs: 5 });
  });

  it('keeps the newest measurement when an older one comes late', () => {
    const live = view();
    live.take(
      item([
        [one, 9_000, 61, []],
        [one, 8_000, 62, []],
      ]),
      5,
    );
    expect(live.lastOf(one)?.lastReadingMs).toBe(9_000);
  });

  it('shows a window without a score as unusable', () => {
    const windows = [
      [one, 10, 0.5, 'rr', 1, 0, 9, 'model'],
      [one, 20, null, 'rr', 8, 0, 2, 'model'],
    ];
    expect(view().take(item([], windows), 5).windows).toEqual([
      { subject: one, startMs: 10_000, readingCount: 9, missingSeconds: 1, isUsable: true, score: 0.5 },
      { subject: one, startMs: 20_000, readingCount: 2, missingSeconds: 8, isUsable: false, score: null },
    ]);
  });

  it('takes nothing of a push that has another shape', () => {
    const live = view();
    for (const bad of [null, {}, item([['x', 1, 2, []]]), item([[one, '1', 2, []]]), item([], [[one, 1.5]])]) {
      expect(() => live.take(bad, 5)).toThrow();
    }
    expect(live.lastOf(one)).toBeUndefined();
  });
});
