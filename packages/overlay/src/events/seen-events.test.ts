import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventLimits } from './event.ts';
import { SeenEvents, seenEventsLimits } from './seen-events.ts';

const startMs = Date.UTC(2026, 5, 1, 12);

describe('ids of seen events', () => {
  it('are new once', () => {
    const seen = new SeenEvents();
    expect(seen.look('t', 'a', startMs, startMs)).toBe('new');
    expect(seen.add('t', 'a', startMs, startMs)).toBe('new');
    expect(seen.add('t', 'a', startMs, startMs)).toBe('seen');
    expect(seen.look('other', 'a', startMs, startMs)).toBe('new');
  });

  it('refuse an event that is older than ten minutes, or more than five ahead', () => {
    const seen = new SeenEvents();
    expect(seen.add('t', 'a', startMs - eventLimits.ageMsMax - 1, startMs)).toBe('too-old');
    expect(seen.add('t', 'b', startMs - eventLimits.ageMsMax, startMs)).toBe('new');
    expect(seen.add('t', 'c', startMs + eventLimits.aheadMsMax + 1, startMs)).toBe('too-early');
    expect(seen.add('t', 'd', startMs + eventLimits.aheadMsMax, startMs)).toBe('new');
  });

  it('refuse a replay also when the clock was put back after they were forgotten', () => {
    const seen = new SeenEvents();
    seen.add('t', 'a', startMs, startMs);
    const laterMs = startMs + seenEventsLimits.keptMs + 2_000;
    seen.add('t', 'b', laterMs, laterMs);
    expect(seen.size).toBe(1);
    expect(seen.look('t', 'a', startMs, startMs + 1_000)).toBe('too-old');
  });

  it('raise the floor of accepted times when there are too many, in the topic that has the most only', () => {
    const seen = new SeenEvents({ idsMax: 10 });
    seen.add('quiet', 'q', startMs, startMs);
    for (let index = 0; index < 100; index += 1)
      seen.add('loud', `${index}`, startMs + index * 1_000, startMs + 99_000);
    expect(seen.size).toBe(10);
    expect(seen.look('loud', '3', startMs + 3_000, startMs + 99_000)).toBe('too-old');
    expect(seen.look('loud', 'another', startMs + 3_000, startMs + 99_000)).toBe('too-old');
    expect(seen.look('loud', '99', startMs + 99_000, startMs + 99_000)).toBe('seen');
    expect(seen.look('quiet', 'q', startMs, startMs + 99_000)).toBe('seen');
    expect(seen.look('quiet', 'another', startMs, startMs + 99_000)).toBe('new');
  });

  it('never let a flood of events from ahead of our time shut out those of the present', () => {
    const seen = new SeenEvents({ idsMax: 1_000 });
    const aheadMs = startMs + eventLimits.aheadMsMax;
    for (let index = 0; index < 5_000; index += 1) seen.add('t', `flood ${index}`, aheadMs, startMs);
    expect(seen.size).toBe(1_000 * seenEventsLimits.aheadShareMax);
    expect(seen.look('t', 'ahead', aheadMs, startMs)).toBe('too-early');
    for (let index = 0; index < 5_000; index += 1) seen.add('t', `now ${index}`, startMs, startMs);
    expect(seen.look('t', 'honest', startMs + 1_000, startMs + 1_000)).toBe('new');
    expect(seen.look('t', 'flood 1', aheadMs, startMs + 1_000)).toBe('seen');
  });

  it('forget topics of which nothing is left', () => {
    const seen = new SeenEvents();
    seen.add('t', 'a', startMs, startMs);
    seen.expire(startMs + seenEventsLimits.keptMs + 2_000);
    seen.expire(startMs + seenEventsLimits.keptMs + 4_000);
    expect(seen.size).toBe(0);
  });

  it('never say new twice of one event, however times, clock and number go', () => {
    const step = fc.record({
      id: fc.nat({ max: 40 }),
      clockMs: fc.integer({ min: -400_000, max: 1_500_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (steps, idsMax) => {
        const seen = new SeenEvents({ idsMax });
        const accepted = new Set<number>();
        for (const { id, clockMs } of steps) {
          const isNew = seen.add('t', `${id}`, startMs + id * 20_000, startMs + clockMs) === 'new';
          expect(isNew && accepted.has(id)).toBe(false);
          if (isNew) accepted.add(id);
          expect(seen.size).toBeLessThanOrEqual(idsMax);
        }
      }),
    );
  });
});
