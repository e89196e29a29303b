import type { Clock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { SteadyTime, steadyTimeLimits } from './steady-time.ts';

const startMs = Date.UTC(2026, 0, 1);

/** A clock whose process may stand still: then time passes, and no timer is looked at. */
class HaltingClock implements Clock {
  #elapsedMs = 0;
  #timers: { readonly atMs: number; readonly action: () => void }[] = [];
  wallMs = startMs;

  now(): number {
    return this.wallMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(action: () => void, delayMs: number) {
    const timer = { atMs: this.#elapsedMs + delayMs, action };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== timer);
      },
    };
  }

  get pendingCount(): number {
    return this.#timers.length;
  }

  stand(byMs: number): void {
    this.#elapsedMs += byMs;
  }

  look(): void {
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#elapsedMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#elapsedMs);
    for (const { action } of due) action();
  }

  run(byMs: number): void {
    for (let left = byMs; left > 0; left -= 10) {
      this.stand(Math.min(10, left));
      this.look();
    }
  }
}

/** A time that has just been read twice, as that of a busy process. */
function busy() {
  const clock = new HaltingClock();
  const time = new SteadyTime(clock);
  time.now();
  time.now();
  return { clock, time };
}

describe('the time of a process that stands still', () => {
  it('stands still, too, also while nobody looks at timers, and goes on from there', () => {
    const { clock, time } = busy();
    clock.stand(4_000);
    const { tickMs, slackMs } = steadyTimeLimits;
    expect(time.now() - startMs).toBe(tickMs + slackMs);
    clock.look();
    expect(time.now() - startMs).toBe(tickMs + slackMs);
    clock.run(100);
    expect(time.now() - startMs).toBeGreaterThan(tickMs + slackMs + 99);
  });

  it('makes good by and by what it is behind', () => {
    const { clock, time } = busy();
    clock.stand(4_000);
    clock.look();
    for (let step = 0; step < 100; step += 1) {
      clock.run(80);
      time.now();
    }
    expect(clock.now() - time.now()).toBeGreaterThan(1_500);
    for (let step = 0; step < 100; step += 1) {
      clock.run(100);
      time.now();
    }
    expect(time.now()).toBe(clock.now());
  });

  it('is behind for no more than some seconds, however long that was', () => {
    const { clock, time } = busy();
    clock.stand(3_600_000);
    clock.look();
    expect(clock.now() - time.now()).toBe(steadyTimeLimits.behindMsMax);
  });

  it('stands still as well where only the timer of its owner tells', () => {
    const clock = new HaltingClock();
    const time = new SteadyTime(clock);
    time.now();
    clock.stand(5_000);
    time.cameLate(4_000);
    expect(clock.now() - time.now()).toBeLessThanOrEqual(4_000 - steadyTimeLimits.slackMs);
    expect(clock.now() - time.now()).toBeGreaterThan(2_000);
  });

  it('is that of the clock while all goes well, without a timer where it is seldom read, and follows a clock put back', () => {
    const { clock, time } = busy();
    clock.run(60);
    for (let reading = 0; reading < 20; reading += 1) {
      clock.run(1_000);
      expect(time.now()).toBe(clock.now());
      expect(clock.pendingCount).toBe(0);
    }
    clock.wallMs -= 60_000;
    expect(time.now()).toBe(clock.now());
  });

  it('leaves no timer behind when it is stopped', () => {
    const { clock, time } = busy();
    time.stop();
    expect(clock.pendingCount).toBe(0);
  });
});
