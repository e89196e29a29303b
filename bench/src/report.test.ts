import { describe, expect, it } from 'vitest';
import { alertLatencies } from './pipeline/our-run.ts';
import { benchLine, median, percentile } from './report.ts';

const what = { bench: 'x', metric: 'speed', unit: 'things/s', peerName: 'peer', conditions: 'none' };

describe('a bench line', () => {
  it('holds medians, and the ratio ours to peer', () => {
    expect(benchLine(what, [30, 10, 20], [40, 60])).toMatchObject({ ours: 20, peer: 50, ratio: 0.4, runs: 3 });
  });

  it('has no ratio where the peer has no such thing', () => {
    expect(benchLine(what, [1], [])).toMatchObject({ ours: 1, peer: null, ratio: null });
  });

  it('takes the nearest rank as percentile and the mean of the middle two as median', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([percentile(values, 0.5), percentile(values, 0.99), median([1, 2, 3, 4])]).toEqual([50, 99, 2.5]);
  });
});

describe('the time from reading to alert', () => {
  it('counts from the reading that let the tipping window close', () => {
    const alert = { alertId: 'a', subject: 's', raisedForMs: 20_000 } as never; // the fields that are looked at
    const marks = [{ mark: 'bench-000000', index: 32, wallMs: 500 }];
    const users = new Map([['s', 'bench-000000']]);
    const alerts = new Map([['a', { alert, seenMs: 800 }]]);
    expect(alertLatencies({ startMs: 0 }, marks, alerts, users)).toEqual([300]);
    expect(alertLatencies({ startMs: 0 }, [], alerts, users)).toEqual([]);
  });
});
