import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventHeap } from './event-heap.ts';

describe('EventHeap', () => {
  it('gives items by time, those of one time in the order they were set', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 3_000 }), (times) => {
        const heap = new EventHeap<number>();
        times.forEach((time, index) => {
          heap.push(time, index);
        });
        const expected = times.map((_, index) => index).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
        expect(times.map(() => heap.pop())).toEqual(expected);
        expect(heap.pop()).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it('keeps that order when items come while others go', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 9 })), { maxLength: 400 }), (steps) => {
        const heap = new EventHeap<number>();
        const waiting: [number, number][] = [];
        steps.forEach((time, index) => {
          if (time === null) {
            waiting.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
            expect(heap.nextAtMs).toBe(waiting[0]?.[0] ?? Number.POSITIVE_INFINITY);
            expect(heap.pop()).toBe(waiting.shift()?.[1]);
          } else {
            heap.push(time, index);
            waiting.push([time, index]);
          }
        });
        expect(heap.size).toBe(waiting.length);
      }),
    );
  });

  it('refuses the item past its limit', () => {
    const heap = new EventHeap<number>(2);
    heap.push(1, 1);
    heap.push(1, 2);
    expect(() => heap.push(1, 3)).toThrow('more than 2 events wait');
    expect(heap.size).toBe(2);
  });
});
