import type { Clock, Random, Timer } from '@pulsemesh/base';

/** Runs something again after a wait that doubles, with jitter, until it is told that it went well. */
export class Retry {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #minMs: number;
  readonly #maxMs: number;
  #failures = 0;
  #timer: Timer | null = null;

  constructor(minMs: number, maxMs: number, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** Once, after the wait; a second call before that changes nothing. */
  later(action: () => void): void {
    if (this.#timer !== null) return;
    const spanMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = null;
        action();
      },
      spanMs * (0.5 + this.#random.float() / 2),
    );
  }

  wentWell(): void {
    this.#failures = 0;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
