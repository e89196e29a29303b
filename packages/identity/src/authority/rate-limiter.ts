import type { Clock } from '@pulsemesh/base';

export interface RateLimits {
  /** In a burst, and again within each period. */
  readonly burst: number;
  readonly periodMs: number;
  /** Keys remembered: past it the one longest silent is forgotten. */
  readonly keysMax: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** A token bucket for each key, in bounded memory. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #clock: Clock;
  // In the order of their last use.
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: RateLimits, { clock }: { readonly clock: Clock }) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes one, and says whether there was one. */
  take(key: string): boolean {
    const bucket = this.#refilled(key);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }

  #refilled(key: string): Bucket {
    const { burst, periodMs, keysMax } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const known = this.#buckets.get(key);
    const bucket = known ?? { left: burst, atMs: nowMs };
    bucket.left = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) * burst) / periodMs);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > keysMax) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
