import type { Clock, Timer } from '@pulsemesh/base';
import { sessionConstants } from './limits.ts';

export interface ResendTimerDependencies {
  readonly clock: Clock;
  /** Round trip of the carrier in use, milliseconds; null: none is in use. */
  readonly rttMs: () => number | null;
  /** True while something was sent and not acknowledged. */
  readonly hasOutstanding: () => boolean;
  readonly sendAgain: () => void;
}

/**
 * Sends again when nothing was acknowledged for max(4 round trips, 1 s), then after twice that, up to 30 s or 32 round trips. One timer that looks
 * now and then, instead of one set and cancelled for every batch.
 */
export class ResendTimer {
  readonly #dependencies: ResendTimerDependencies;
  #timer: Timer | null = null;
  #progressMs = 0;
  #resends = 0;
  #isStopped = false;

  constructor(dependencies: ResendTimerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Items were sent; with `isFirst`, while nothing was outstanding. */
  sent(isFirst: boolean): void {
    if (isFirst) this.#progressMs = this.#dependencies.clock.monotonicMs();
    this.#arm(this.#delayMs);
  }

  /** Something new was acknowledged at this time of the monotonic clock. */
  progressed(atMs: number): void {
    this.#progressMs = atMs;
    this.#resends = 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  get #delayMs(): number {
    const { resendMsMin, resendMsMax } = sessionConstants;
    const firstMs = Math.max(4 * (this.#dependencies.rttMs() ?? 0), resendMsMin);
    return Math.min(firstMs * 2 ** Math.min(this.#resends, 16), Math.max(resendMsMax, 8 * firstMs));
  }

  #arm(delayMs: number): void {
    if (!this.#isStopped) this.#timer ??= this.#dependencies.clock.setTimer(() => this.#due(), delayMs);
  }

  #due(): void {
    this.#timer = null;
    const { clock, hasOutstanding, rttMs, sendAgain } = this.#dependencies;
    if (this.#isStopped || !hasOutstanding()) return;
    const nowMs = clock.monotonicMs();
    const leftMs = this.#progressMs + this.#delayMs - nowMs;
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    if (rttMs() !== null) {
      this.#resends += 1;
      this.#progressMs = nowMs;
      sendAgain();
    }
    this.#arm(this.#delayMs);
  }
}
