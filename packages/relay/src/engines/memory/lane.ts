import type { StoredMessage } from '../../engine.ts';
import type { InboxId } from '../../inbox-id.ts';

/** A stored message with what its removal needs. */
export interface Entry extends StoredMessage {
  readonly sender: InboxId;
  readonly expiresMs: number;
}

interface Slot {
  readonly entry: Entry;
  isGone: boolean;
}

/** The messages of one priority in a mailbox, by offset. Removed ones leave holes that are closed when they are half of it. */
export class Lane {
  #slots: Slot[] = [];
  #gone = 0;

  get size(): number {
    return this.#slots.length - this.#gone;
  }

  push(entry: Entry): void {
    this.#slots.push({ entry, isGone: false });
  }

  /** Takes it out; undefined where it is not there. */
  remove(offset: number): Entry | undefined {
    const slot = this.#slots[this.#indexOf(offset)];
    if (slot === undefined || slot.isGone || slot.entry.offset !== offset) return undefined;
    slot.isGone = true;
    this.#gone += 1;
    if (this.#gone * 2 > this.#slots.length) {
      this.#slots = this.#slots.filter(({ isGone }) => !isGone);
      this.#gone = 0;
    }
    return slot.entry;
  }

  /** Entries past `offset` in order. The lane must not be changed meanwhile. */
  *after(offset: number): Iterable<Entry> {
    for (let index = this.#indexOf(offset + 1); index < this.#slots.length; index += 1) {
      const slot = this.#slots[index] as Slot;
      if (!slot.isGone) yield slot.entry;
    }
  }

  /** Where the first entry at or past `offset` is. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#slots[middle] as Slot).entry.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
