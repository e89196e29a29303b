/** How fast one peer may send events, in the long run and at once. */
export const paceLimits = { eventsPerSecondMax: 2_000, burstMax: 4_000 } as const;

/** Says how long a peer has to be held back for what it sent. */
export class Pace {
  #left: number = paceLimits.burstMax;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Takes `count` events at `nowMs` (monotonic); the milliseconds to read nothing more from now on. */
  take(count: number, nowMs: number): number {
    const { eventsPerSecondMax, burstMax } = paceLimits;
    const grown = this.#left + ((nowMs - this.#sinceMs) / 1_000) * eventsPerSecondMax;
    this.#left = Math.min(burstMax, grown) - count;
    this.#sinceMs = nowMs;
    return this.#left >= 0 ? 0 : (-this.#left / eventsPerSecondMax) * 1_000;
  }
}
