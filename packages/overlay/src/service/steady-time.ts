import type { Clock, Timer } from '@pulsemesh/base';

/** Limits of {@link SteadyTime}. */
export const steadyTimeLimits = {
  /** Two readings closer than this are those of a busy process: then it is watched, milliseconds. */
  busyMs: 200,
  /** While it is watched a timer is set to this, and may come so much later, milliseconds. */
  tickMs: 50,
  slackMs: 100,
  /** So far behind the clock at most, milliseconds: who slept for hours has missed all answers. */
  behindMsMax: 30_000,
  /** What it is behind is made good at this share of the time that passes. */
  catchUp: 0.25,
} as const;

/**
 * The time as a node is to see it: the clock's, less the time in which this very process stood still. While a process is
 * too busy to read its sockets, or is not run at all, answers lie there unread; a machine that looked at its deadlines then
 * would hold all whom it asked for lost, and ask others for events that are already here. That a process stands still is
 * seen by timers that come late. Never goes back unless the clock does. To be stopped by its owner.
 */
export class SteadyTime {
  readonly #clock: Clock;
  #tick: Timer | undefined;
  #tickAtMs = 0;
  #behindMs = 0;
  #stoodStillMs = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #shownMs = 0;
  #clockMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Unix milliseconds, at most `behindMsMax` before the clock's. */
  now(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const passedMs = monotonicMs - this.#readAtMs;
    this.#readAtMs = monotonicMs;
    if (this.#behindMs > 0) this.#behindMs = Math.max(0, this.#behindMs - steadyTimeLimits.catchUp * passedMs);
    if (this.#tick === undefined && passedMs < steadyTimeLimits.busyMs) this.#watch(monotonicMs);
    const overdueMs = this.#tick === undefined ? 0 : monotonicMs - this.#tickAtMs;
    return this.#show(this.#behindBy(overdueMs));
  }

  /** A timer of the owner's came so much later than it was set to, milliseconds. */
  cameLate(byMs: number): void {
    if (this.#tick === undefined) this.#fallBehind(byMs); // else ours is late, too, and tells it itself
  }

  /** For how long the process stood still in all, milliseconds. */
  get stoodStillMs(): number {
    return this.#stoodStillMs;
  }

  stop(): void {
    this.#tick?.cancel();
    this.#tick = undefined;
  }

  #show(behindMs: number): number {
    const clockMs = this.#clock.now();
    const isBack = clockMs < this.#clockMs;
    this.#shownMs = isBack ? clockMs - behindMs : Math.max(this.#shownMs, clockMs - behindMs);
    this.#clockMs = clockMs;
    return this.#shownMs;
  }

  #watch(monotonicMs: number): void {
    this.#tickAtMs = monotonicMs + steadyTimeLimits.tickMs;
    this.#tick = this.#clock.setTimer(() => {
      this.#tick = undefined;
      this.#fallBehind(this.#clock.monotonicMs() - this.#tickAtMs);
    }, steadyTimeLimits.tickMs);
  }

  /** What is made good counts from then on. */
  #fallBehind(lateMs: number): void {
    if (lateMs <= steadyTimeLimits.slackMs) return;
    this.#behindMs = this.#behindBy(lateMs);
    this.#stoodStillMs += lateMs;
    this.#readAtMs = this.#clock.monotonicMs();
  }

  #behindBy(lateMs: number): number {
    const { slackMs, behindMsMax } = steadyTimeLimits;
    return Math.min(behindMsMax, this.#behindMs + Math.max(0, lateMs - slackMs));
  }
}
