import type { PeerId } from '@pulsemesh/wire';

/**
 * So many messages a minute for each peer, and as many at once after a quiet minute. Remembers at most `peersMax` peers,
 * the one asked about longest ago being forgotten first.
 */
export class TokenBuckets<Key extends string = PeerId> {
  readonly #perMinute: number;
  readonly #peersMax: number;
  readonly #buckets = new Map<Key, { left: number; atMs: number }>();

  constructor(perMinute: number, peersMax: number) {
    this.#perMinute = perMinute;
    this.#peersMax = peersMax;
  }

  /** Whether one more is allowed at `nowMs`; if so it is counted. */
  take(peer: Key, nowMs: number): boolean {
    const left = this.left(peer, nowMs);
    this.#buckets.delete(peer);
    this.#buckets.set(peer, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    if (this.#buckets.size > this.#peersMax) this.#buckets.delete(this.#buckets.keys().next().value as Key); // not empty
    return left >= 1;
  }

  /** How many are allowed at `nowMs`. */
  left(peer: Key, nowMs: number): number {
    const bucket = this.#buckets.get(peer);
    if (bucket === undefined) return this.#perMinute;
    const refilled = (Math.max(0, nowMs - bucket.atMs) / 60_000) * this.#perMinute;
    return Math.min(this.#perMinute, bucket.left + refilled);
  }
}
