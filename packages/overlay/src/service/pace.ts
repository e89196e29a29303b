/** How much of something one peer may cause in the long run and at once; see {@link Pace}. */
export interface PaceLimits {
  readonly perSecondMax: number;
  readonly burstMax: number;
}

/** What a peer is held back for: events that it sends, and descriptors that are new here, each of which has a signature to look at. */
export const paceLimits = {
  events: { perSecondMax: 2_000, burstMax: 4_000 },
  signatures: { perSecondMax: 50, burstMax: 640 },
} as const;

/** Says how long a peer has to be held back for what it sent. */
export class Pace {
  readonly #limits: PaceLimits;
  #left: number;
  #sinceMs: number;

  constructor(limits: PaceLimits, nowMs: number) {
    this.#limits = limits;
    this.#left = limits.burstMax;
    this.#sinceMs = nowMs;
  }

  /** Takes `count` at `nowMs` (monotonic); the milliseconds to read nothing more from now on. */
  take(count: number, nowMs: number): number {
    const { perSecondMax, burstMax } = this.#limits;
    const grown = this.#left + ((nowMs - this.#sinceMs) / 1_000) * perSecondMax;
    this.#left = Math.min(burstMax, grown) - count;
    this.#sinceMs = nowMs;
    return this.#left >= 0 ? 0 : (-this.#left / perSecondMax) * 1_000;
  }
}
