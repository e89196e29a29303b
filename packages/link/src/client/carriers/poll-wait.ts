/** How long a poll waits at first, milliseconds; many boxes cut at 30 s and later. */
export const pollWaitMsStart = 25_000;
/** The longest wait the server grants, milliseconds. */
export const pollWaitMsMax = 55_000;
/** A box that cuts below this leaves no room for waiting: the carrier polls without waiting then. */
export const pollWaitMsMin = 40;
/** Polls that must run to their end in a row before a longer wait is tried; doubles with each cut. */
const completedPollsStart = 8;
const completedPollsMax = 4096;

/**
 * How long the next poll asks the server to wait. A cut takes it to half, or to half of the time that passed until the cut
 * where that is less; polls that end in order let it grow again, each cut making that slower.
 */
export class PollWait {
  #ms: number;
  #completed = 0;
  #completedNeeded = completedPollsStart;
  readonly #msMax: number;

  constructor(startMs: number) {
    this.#ms = Math.max(0, Math.min(pollWaitMsMax, startMs));
    // A wait that was learned on this network is not exceeded by much on a guess.
    this.#msMax = Math.max(pollWaitMsStart, this.#ms);
  }

  /** Milliseconds; zero: polls do not wait. */
  get ms(): number {
    return this.#ms;
  }

  /** A poll that waited was cut `afterMs` after it was sent. */
  cut(afterMs: number): void {
    this.#completed = 0;
    this.#completedNeeded = Math.min(completedPollsMax, this.#completedNeeded * 2);
    const next = Math.floor(Math.min(this.#ms / 2, afterMs / 2));
    this.#ms = next < pollWaitMsMin ? 0 : next;
  }

  /** A poll waited to its end and was answered. */
  completed(): void {
    if (this.#ms === 0) return;
    this.#completed += 1;
    if (this.#completed < this.#completedNeeded) return;
    this.#completed = 0;
    this.#ms = Math.min(this.#msMax, Math.floor(this.#ms * 1.5));
  }
}
