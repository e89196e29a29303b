import type { PeerId } from '@pulsemesh/wire';

/** Limits of what is given in answer to questions within `windowMs`. */
export const servedLimits = {
  windowMs: 10_000,
  /** To one peer, bytes. */
  bytesMax: 8 * 1024 * 1024,
  /** The same event to the same peer: its answer may have been lost, but not again and again. */
  againMax: 2,
  peersMax: 1_024,
  /** To all peers together: events, and their bytes. */
  allEventsMax: 16_384,
  allBytesMax: 64 * 1024 * 1024,
} as const;

interface Account {
  bytes: number;
  /** How often each event was given. */
  readonly events: Map<string, number>;
}

/** Counts what was given to whom, so that nobody makes us send without end by asking. Forgets all when a window is over. */
export class Served {
  readonly #accounts = new Map<PeerId, Account>();
  #sinceMs = 0;
  #events = 0;
  #bytes = 0;

  /** Whether `peer` may be given the event of `key`; if so it is counted. */
  take(peer: PeerId, key: string, bytes: number, nowMs: number): boolean {
    if (Math.abs(nowMs - this.#sinceMs) >= servedLimits.windowMs) this.#begin(nowMs);
    const account = this.#accounts.get(peer) ?? { bytes: 0, events: new Map() };
    const count = account.events.get(key) ?? 0;
    const isTooMuch =
      account.bytes + bytes > servedLimits.bytesMax ||
      count >= servedLimits.againMax ||
      this.#events >= servedLimits.allEventsMax ||
      this.#bytes + bytes > servedLimits.allBytesMax ||
      (this.#accounts.size >= servedLimits.peersMax && !this.#accounts.has(peer));
    if (isTooMuch) return false;
    account.bytes += bytes;
    account.events.set(key, count + 1);
    this.#accounts.set(peer, account);
    this.#events += 1;
    this.#bytes += bytes;
    return true;
  }

  #begin(nowMs: number): void {
    this.#accounts.clear();
    this.#sinceMs = nowMs;
    this.#events = 0;
    this.#bytes = 0;
  }
}
