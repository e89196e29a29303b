import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedQueue, QueueClosedError, QueueFullError } from './bounded-queue.ts';

describe('the bounded queue', () => {
  it('refuses the item past its capacity and keeps the others', () => {
    const queue = new BoundedQueue<number>({ itemsMax: 2 });
    queue.push(1);
    queue.push(2);
    expect(() => queue.push(3)).toThrow(QueueFullError);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([1, 2, undefined]);
  });

  it('counts bytes, and makes room again when an item leaves', () => {
    const queue = new BoundedQueue<string>({ itemsMax: 10, bytesMax: 5, sizeOf: (text) => text.length });
    queue.push('abc');
    expect(() => queue.push('def')).toThrow(QueueFullError);
    expect(queue.bytes).toBe(3);
    queue.shift();
    queue.push('defgh');
    expect(queue.bytes).toBe(5);
  });

  it('hands items to waiting takes in the order they came', async () => {
    const queue = new BoundedQueue<number>({ itemsMax: 1 });
    const takes = [queue.take(), queue.take()];
    queue.push(1);
    queue.push(2);
    expect(await Promise.all(takes)).toEqual([1, 2]);
  });

  it('settles every waiting take when closed, and refuses what comes after', async () => {
    const queue = new BoundedQueue<number>({ itemsMax: 1 });
    const waiting = queue.take();
    queue.close();
    await expect(waiting).rejects.toBeInstanceOf(QueueClosedError);
    await expect(queue.take()).rejects.toBeInstanceOf(QueueClosedError);
    expect(() => queue.push(1)).toThrow(QueueClosedError);
  });

  it('does not give an item to a take that was aborted', async () => {
    const queue = new BoundedQueue<number>({ itemsMax: 1 });
    const controller = new AbortController();
    const aborted = queue.take({ signal: controller.signal });
    controller.abort(new Error('gone'));
    await expect(aborted).rejects.toThrow('gone');
    queue.push(7);
    expect(await queue.take()).toBe(7);
  });

  it('behaves as a plain list that is cut at its capacity', () => {
    const operation = fc.oneof(fc.record({ push: fc.integer() }), fc.constant('shift' as const));
    fc.assert(
      fc.property(fc.array(operation), fc.integer({ min: 1, max: 8 }), (operations, itemsMax) => {
        const queue = new BoundedQueue<number>({ itemsMax });
        const model: number[] = [];
        for (const step of operations) {
          if (step === 'shift') {
            expect(queue.shift()).toBe(model.shift());
          } else if (model.length < itemsMax) {
            queue.push(step.push);
            model.push(step.push);
          } else {
            expect(() => queue.push(step.push)).toThrow(QueueFullError);
          }
          expect(queue.length).toBe(model.length);
        }
      }),
    );
  });
});
