import type { Random } from '@pulsemesh/base';

/** When members of a topic are looked for, milliseconds. */
export const seekPeriods = {
  /** Between two searches of one topic, at least. */
  spacingMs: 250,
  /** After a search, while the ring is not complete; doubles with each. */
  firstMs: 500,
  maxMs: 600_000,
  /** Likewise once it is, eight times as long after each: rings that came about apart find each other, mostly early. */
  settledFirstMs: 15_000,
  settledMaxMs: 3_600_000,
  /** Waits end on a multiple of `gridMs`, long ones of `longGridMs`: a node of thousands of topics wakes for many of them at once. */
  gridMs: 50,
  /** Searches of one node begin `paceMs` apart, after `burst` at once: each asks several neighbours, who answer few a minute. */
  paceMs: 200,
  /** The same while no neighbour's filter is known, and a query finds its way by chance. */
  blindPaceMs: 500,
  /** The same where no more than so many neighbours are known: they are asked themselves, and answer hundreds a minute. */
  fewNeighboursMax: 2,
  fewPaceMs: 50,
  burst: 4,
  longMs: 10_000,
  longGridMs: 1_000,
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
  #memberCount = 0;
  #isBooked = false;

  constructor(nowMs: number, random: Random) {
    this.#random = random;
    this.#atMs = nowMs;
  }

  get dueAtMs(): number {
    return this.#atMs;
  }

  /** The next search has a turn, and is not hurried: so many are to begin that they go one after another. */
  book(atMs: number): void {
    this.#isBooked = true;
    this.#atMs = atMs;
  }

  /** Whether its turn was given by {@link book}. */
  get isBooked(): boolean {
    return this.#isBooked;
  }

  /** A search begins now; `isComplete` says whether the ring is. */
  began(isComplete: boolean, nowMs: number): void {
    if (isComplete !== this.#wasComplete) this.#count = 0;
    this.#wasComplete = isComplete;
    const { firstMs, maxMs, settledFirstMs, settledMaxMs } = seekPeriods;
    const waitMs = isComplete
      ? Math.min(settledMaxMs, settledFirstMs * 8 ** this.#count)
      : Math.min(maxMs, firstMs * 2 ** this.#count);
    this.#count = Math.min(this.#count + 1, 20);
    this.#lastMs = nowMs;
    this.#isBooked = false;
    this.#atMs = onGrid(nowMs + waitMs * (0.75 + this.#random.float() / 2), waitMs);
  }

  /** Whether the ring has more members than when last asked; then the next search waits for another while. */
  grew(memberCount: number, nowMs: number): boolean {
    const hasGrown = memberCount > this.#memberCount;
    this.#memberCount = memberCount;
    if (hasGrown) {
      this.#isBooked = false;
      this.#atMs = nowMs + seekPeriods.firstMs * (0.75 + this.#random.float() / 2);
    }
    return hasGrown;
  }

  /** Whether anybody was there to be asked. */
  asked(hasAsked: boolean): void {
    this.#hasAsked = hasAsked;
    if (!hasAsked) this.#lastMs = Number.NEGATIVE_INFINITY;
  }

  /** Somebody is there to be asked: where nobody was before, the next search is soon. */
  hurry(nowMs: number): void {
    if (this.#hasAsked || this.#isBooked) return;
    this.#atMs = Math.min(this.#atMs, Math.max(nowMs, this.#lastMs + seekPeriods.spacingMs));
  }
}

function onGrid(atMs: number, waitMs: number): number {
  const { gridMs, longMs, longGridMs } = seekPeriods;
  const multipleMs = waitMs < longMs ? gridMs : longGridMs;
  return Math.ceil(atMs / multipleMs) * multipleMs;
}
