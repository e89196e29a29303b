import type { WindowView } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { mergeWindows, windowsMax } from './window-history.ts';

const window = (place: number, score: number | null = 0.1, readingCount = 10): WindowView => ({
  subject: 'a',
  startMs: place * 10_000,
  readingCount,
  missingSeconds: 0,
  isUsable: true,
  score,
});

describe('the history of windows', () => {
  it('keeps one window per start, in order, and the score when it comes', () => {
    const merged = mergeWindows([window(1), window(3, null)], [window(2), window(3, 0.9)]);
    expect(merged.map(({ startMs, score }) => [startMs, score])).toEqual([
      [10_000, 0.1],
      [20_000, 0.1],
      [30_000, 0.9],
    ]);
  });

  it('does not lose a score to an older word on the same window', () => {
    const known = [window(1, 0.9)];
    expect(mergeWindows(known, [window(1, null)])).toBe(known);
  });

  it('takes a window that was reopened by a late reading', () => {
    expect(mergeWindows([window(1, 0.9, 9)], [window(1, null, 10)])[0]?.score).toBeNull();
  });

  it('lets the oldest go past its limit', () => {
    const many = Array.from({ length: windowsMax + 5 }, (_, place) => window(place));
    const merged = mergeWindows([], many);
    expect(merged).toHaveLength(windowsMax);
    expect(merged[0]?.startMs).toBe(50_000);
  });
});
