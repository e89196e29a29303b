import { silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { SubjectId } from '@pulsemesh/network';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../../readings/reading.ts';
import { Feed } from './feed.ts';

const part = (count: number) => ({
  subjectId: '00'.repeat(16) as SubjectId,
  userId: 'device' as UserId,
  deviceKind: 'live' as const,
  isRegistered: true,
  readings: Array.from({ length: count }, (_, index) => ({
    userId: 'device' as UserId,
    tMs: index,
    heartRateBpm: 60,
    rrMs: [],
    seq: index,
    confidence: null,
    isStamped: false,
  })),
});

describe('Feed', () => {
  it('loses the oldest entries of a slow subscriber, and only those', async () => {
    const clock = new VirtualClock();
    const feed = new Feed({ entriesMax: 10, periodMs: 100 }, { clock, meter: silentMeter });
    const pushes = feed.subscribe(new AbortController().signal);
    expect((await pushes.next()).value).toEqual({ readings: [], windows: [], alerts: [] });
    feed.readings(part(12));
    const { value } = await pushes.next();
    expect(value?.readings.map((row) => row[1])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].slice(1));
    await pushes.return();
    expect(feed.subscriberCount).toBe(0);
  });

  it('ends at once for a subscriber past its limit', async () => {
    const feed = new Feed({ subscribersMax: 1 }, { clock: new VirtualClock(), meter: silentMeter });
    const first = feed.subscribe(new AbortController().signal);
    await first.next();
    expect((await feed.subscribe(new AbortController().signal).next()).done).toBe(true);
    await first.return();
  });
});
