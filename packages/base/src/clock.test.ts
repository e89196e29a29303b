import { describe, expect, it } from 'vitest';
import { createSystemClock, sleep, startTicker } from './clock.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('the virtual clock', () => {
  it('fires timers in the order of their time, then of their setting', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.setTimer(() => fired.push('late'), 20);
    clock.setTimer(() => fired.push('first at ten'), 10);
    clock.setTimer(() => fired.push('second at ten'), 10);
    await clock.advance(15);
    expect(fired).toEqual(['first at ten', 'second at ten']);
    await clock.advance(5);
    expect(fired).toEqual(['first at ten', 'second at ten', 'late']);
  });

  it('does not fire a cancelled timer, and fires one set by another', async () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const timer = clock.setTimer(() => fired.push(1), 5);
    clock.setTimer(() => clock.setTimer(() => fired.push(clock.monotonicMs()), 5), 5);
    timer.cancel();
    await clock.advance(10);
    expect(fired).toEqual([10]);
  });

  it('keeps wall time and elapsed time in step', async () => {
    const clock = new VirtualClock(1_000);
    await clock.advance(250);
    expect([clock.now(), clock.monotonicMs()]).toEqual([1_250, 250]);
  });

  it('forgets timers that were cancelled after they fired', async () => {
    const clock = new VirtualClock();
    const timers = Array.from({ length: 100 }, () => clock.setTimer(() => {}, 1));
    await clock.advance(1);
    for (const timer of timers) timer.cancel();
    expect(clock.pendingCount).toBe(0);
  });
});

describe('sleep', () => {
  it('ends when the time is up', async () => {
    const clock = new VirtualClock();
    let isDone = false;
    const done = sleep(clock, 100).then(() => {
      isDone = true;
    });
    await clock.advance(99);
    expect(isDone).toBe(false);
    await clock.advance(1);
    await done;
  });

  it('rejects with the reason of the signal, at once or later', async () => {
    const clock = new VirtualClock();
    await expect(sleep(clock, 1, { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
    const controller = new AbortController();
    const waiting = sleep(clock, 1, { signal: controller.signal });
    controller.abort(new Error('late'));
    await expect(waiting).rejects.toThrow('late');
  });
});

describe('a ticker', () => {
  it('never overlaps its own runs, and goes on after one that failed', async () => {
    const clock = new VirtualClock();
    const errors: unknown[] = [];
    let runs = 0;
    const ticker = startTicker(
      clock,
      10,
      async () => {
        runs += 1;
        if (runs === 1) throw new Error('once');
        await sleep(clock, 25);
      },
      (error) => errors.push(error),
    );
    await clock.advance(100);
    // At 10 (fails), 20 to 45, 55 to 80, 90 and on.
    expect(runs).toBe(4);
    expect(errors).toHaveLength(1);
    ticker.stop();
    await clock.advance(100);
    expect(runs).toBe(4);
  });
});

describe('the system clock', () => {
  it('fires a timer and cancels another', async () => {
    const clock = createSystemClock();
    const cancelled = clock.setTimer(() => expect.unreachable(), 0);
    cancelled.cancel();
    const before = clock.monotonicMs();
    await sleep(clock, 1);
    expect(clock.monotonicMs()).toBeGreaterThan(before);
  });
});
