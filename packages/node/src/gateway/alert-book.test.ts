import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlertBook, alertsMax } from './alert-book.ts';

const alertId = 'a'.repeat(32);
const kind = 'irregular-rhythm';
const events: readonly AlertEvent[] = [
  { type: 'raised', alertId, kind, episodeStartSeconds: 100, atSeconds: 160 },
  { type: 'notified', alertId, recipientCount: 1, atMs: 1 },
  { type: 'notified', alertId, recipientCount: 2, atMs: 2 },
  { type: 'acknowledged', alertId, by: 'Dr Example', atMs: 3 },
  { type: 'acknowledged', alertId, by: 'Dr Later', atMs: 4 },
  { type: 'resolved', alertId, kind, atSeconds: 300 },
];

describe('the alert book', () => {
  it('tells the same story in whatever order the events come, and however often', () => {
    const order = fc.shuffledSubarray([...events, ...events], { minLength: 12 });
    fc.assert(
      fc.property(order, (shuffled) => {
        const book = new AlertBook(() => 'Ada');
        for (const event of shuffled) book.add('s1', event);
        expect(book.list()).toEqual([
          {
            alertId,
            subject: 's1',
            patientName: 'Ada',
            kind,
            episodeStartMs: 100_000,
            raisedForMs: 160_000,
            resolvedMs: 300_000,
            notifiedCount: 2,
            acknowledged: { by: 'Dr Example', atMs: 3 },
          },
        ]);
      }),
    );
  });

  it('says whether an event changed anything', () => {
    const book = new AlertBook(() => null);
    expect(events.map((event) => book.add('s1', event))).toEqual([true, true, true, true, false, true]);
    expect(events.map((event) => book.add('s1', event))).toEqual(Array(6).fill(false));
    expect(book.add('s2', { ...events[0], type: 'raised' } as AlertEvent)).toBe(false);
  });

  it('stays within its bound and leaves out what is resolved first', () => {
    const book = new AlertBook(() => null);
    const raise = (index: number): AlertEvent => ({
      type: 'raised',
      alertId: String(index).padStart(32, '0'),
      kind,
      episodeStartSeconds: index,
      atSeconds: index,
    });
    for (let index = 0; index < alertsMax; index += 1) book.add('s', raise(index));
    book.add('s', { type: 'resolved', alertId: String(5).padStart(32, '0'), kind, atSeconds: 9 });
    book.add('s', raise(alertsMax));
    expect(book.list()).toHaveLength(alertsMax);
    expect(book.get(String(5).padStart(32, '0'))).toBeUndefined();
    expect(book.get(String(0).padStart(32, '0'))).toBeDefined();
  });
});
