import { expect, it } from 'vitest';
import { measureLatencies, percentiles } from './latency.ts';

const entry = (tMs: number, sentMs: number) => ({ userId: 'u', key: `t${tMs}`, tMs, sentMs, ackedMs: sentMs + 1 });

it('measures a window from its last reading, and leaves out the one that ends in silence', async () => {
  const journal = [entry(1_000, 100), entry(9_000, 900), entry(11_000, 1_100)];
  const arrivals = [
    { kind: 'reading', subject: 's', tMs: 1_000, atMs: 130 },
    { kind: 'reading', subject: 's', tMs: 9_000, atMs: 950 },
    { kind: 'window', subject: 's', startMs: 0, atMs: 1_300 },
    { kind: 'window', subject: 's', startMs: 0, atMs: 9_999 },
    { kind: 'window', subject: 's', startMs: 10_000, atMs: 9_500 },
    { kind: 'reading', subject: 'stranger', tMs: 9_000, atMs: 950 },
  ] as const;
  const { toPage, toPrediction } = await measureLatencies(journal, arrivals, new Map([['u', 's']]));
  expect(toPage).toEqual({ p50: 30, p95: 50, p99: 50 });
  expect(toPrediction).toEqual({ p50: 400, p95: 400, p99: 400 });
});

it('has no percentiles of nothing', () => {
  expect(percentiles([])).toEqual({ p50: null, p95: null, p99: null });
});
