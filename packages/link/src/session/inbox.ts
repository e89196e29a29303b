import type { Item } from '../wire/items.ts';
import { itemCost } from './outbox.ts';

/** Farther ahead than any sender within its limits can be. */
const aheadMax = 1 << 20;

/** Brings the items of one direction into order: each number is delivered once, early ones wait (bounded). */
export class Inbox {
  /** What is early past this is dropped, and comes again. */
  earlyBytesMax: number;
  readonly #deliver: (item: Item) => void;
  readonly #early = new Map<number, Item>();
  #earlyBytes = 0;
  #next = 1;
  #isPaused = false;

  constructor(earlyBytesMax: number, deliver: (item: Item) => void) {
    this.earlyBytesMax = earlyBytesMax;
    this.#deliver = deliver;
  }

  /** The number to acknowledge: all up to it were delivered. */
  get received(): number {
    return this.#next - 1;
  }

  get earlyBytes(): number {
    return this.#earlyBytes;
  }

  /** True when something waits for an item that is missing. */
  get hasGap(): boolean {
    return this.#early.size > 0 && !this.#isPaused;
  }

  /** Takes consecutive items. Answers how many were dropped: repeated ones, and early ones for which there is no room. */
  take(first: number, items: readonly Item[]): number {
    let dropped = 0;
    for (let index = 0; index < items.length; index += 1) {
      const number = first + index;
      const item = items[index] as Item;
      if (number === this.#next && !this.#isPaused) {
        this.#next += 1;
        this.#deliver(item);
      } else if (number < this.#next || !this.#keep(number, item)) {
        dropped += 1;
      }
    }
    if (this.#early.size > 0) this.#drain();
    return dropped;
  }

  /** From now on what comes is kept as if early. May be called while an item is delivered. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Ends a pause; what waited is delivered. */
  resume(): void {
    this.#isPaused = false;
    this.#drain();
  }

  /** Forgets what waits and delivers nothing any more. */
  stop(): void {
    this.#isPaused = true;
    this.#early.clear();
    this.#earlyBytes = 0;
  }

  #drain(): void {
    while (!this.#isPaused) {
      const item = this.#early.get(this.#next);
      if (item === undefined) return;
      this.#early.delete(this.#next);
      this.#earlyBytes -= itemCost(item);
      this.#next += 1;
      this.#deliver(item);
    }
  }

  #keep(number: number, item: Item): boolean {
    if (this.#early.has(number) || number - this.#next > aheadMax) return false;
    const cost = itemCost(item);
    if (this.#earlyBytes + cost > this.earlyBytesMax) return false;
    this.#early.set(number, item);
    this.#earlyBytes += cost;
    return true;
  }
}
