import type { PeerId } from '@pulsemesh/wire';
import { type Reading, readingKey, windowSeconds } from '../readings/reading.ts';

/** Ten seconds of one patient that somebody still has to compute. */
export class OpenWindow {
  readonly startSeconds: number;
  /** Readings held, by {@link readingKey}. */
  readonly readings = new Map<string, Reading>();
  /** Log entries that brought something new to the window, ascending. */
  readonly entries: number[] = [];
  /** Peers that hold all the readings held here. */
  readonly holders = new Set<PeerId>();
  /** Peers that hold some of them and miss others. */
  readonly partHolders = new Set<PeerId>();
  /** More readings came than are held here: closing has to take them from storage. */
  isOverflowing = false;
  /** Not closed before, on the monotonic clock: a late reading is seldom alone. */
  settleUntilMs = 0;
  /** When it was first found closable without being this peer's to close, or null. */
  waitingSinceMs: number | null = null;
  /** When it was first found closable, on the monotonic clock, or null. */
  closableSinceMs: number | null = null;
  /** Attempts that found storage not yet agreeing with itself. */
  unsettledCount = 0;
  bytes = 0;
  #digestLow = 0;
  #digestHigh = 0;

  constructor(startSeconds: number) {
    this.startSeconds = startSeconds;
  }

  get endMs(): number {
    return (this.startSeconds + windowSeconds) * 1000;
  }

  /** Equal for equal sets of reading keys; not proof against somebody who seeks a collision. */
  get keysDigest(): string {
    return `${this.readings.size}:${this.#digestLow}:${this.#digestHigh}`;
  }

  /** Keeps the reading; false where it was held already or would pass `readingsMax`. */
  add(reading: Reading, readingsMax: number): boolean {
    const key = readingKey(reading);
    if (this.readings.has(key)) return false;
    if (this.readings.size >= readingsMax) {
      this.isOverflowing = true;
      return false;
    }
    this.readings.set(key, reading);
    this.bytes += readingBytes(reading);
    this.#digestLow ^= hashKey(key, 0x811c9dc5);
    this.#digestHigh ^= hashKey(key, 0x9747b28c);
    return true;
  }
}

/** What a held reading is counted as: its fields, its map entry and its intervals, roughly. */
export function readingBytes(reading: Reading): number {
  return 200 + 8 * reading.rrMs.length;
}

// FNV-1a with a final mix: the exclusive or of many must not cancel out for keys that differ in one digit.
function hashKey(key: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  return Math.imul(hash ^ (hash >>> 15), 0x735a2d97) | 0;
}
