import type { Random } from '@pulsemesh/base';

/** When members of a topic are looked for, milliseconds. */
export const seekPeriods = {
  /** Between two searches of one topic, at least. */
  spacingMs: 250,
  /** After a search, while the ring is not complete; doubles with each. */
  firstMs: 500,
  /** Likewise once it is: rings that came about apart find each other. */
  settledFirstMs: 15_000,
  maxMs: 600_000,
  /** So many searches of one state of the ring are hurried at most. */
  hurriedMax: 5,
} as const;

/**
 * When to look again for members of one topic: soon while few are known, ever more seldom where nobody else reads it, and
 * now and then when all is well.
 */
export class Seeking {
  readonly #random: Random;
  #atMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #wasComplete = false;
  #hasAsked = false;

  constructor(nowMs: number, random: Random) {
    this.#random = random;
    this.#atMs = nowMs;
  }

  get dueAtMs(): number {
    return this.#atMs;
  }

  /** A search begins now; `isComplete` says whether the ring is. */
  began(isComplete: boolean, nowMs: number): void {
    if (isComplete !== this.#wasComplete) this.#count = 0;
    this.#wasComplete = isComplete;
    const { firstMs, settledFirstMs, maxMs } = seekPeriods;
    const waitMs = Math.min(maxMs, (isComplete ? settledFirstMs : firstMs) * 2 ** this.#count);
    this.#count = Math.min(this.#count + 1, 20);
    this.#lastMs = nowMs;
    this.#atMs = nowMs + waitMs * (0.75 + this.#random.float() / 2);
  }

  /** Whether anybody was there to be asked. */
  asked(hasAsked: boolean): void {
    this.#hasAsked = hasAsked;
    if (!hasAsked) this.#lastMs = Number.NEGATIVE_INFINITY;
  }

  /** Somebody may be there to be asked who was not before: the next search is soon, if there were not many already. */
  hurry(nowMs: number): void {
    if (this.#hasAsked && this.#count > seekPeriods.hurriedMax) return;
    this.#atMs = Math.min(this.#atMs, Math.max(nowMs, this.#lastMs + seekPeriods.spacingMs));
  }
}
