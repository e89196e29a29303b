import { itemBytesMax } from '../wire/encode-batch.ts';
import type { Item } from '../wire/items.ts';
import { sessionConstants } from './limits.ts';

/** What an item counts for in buffers. */
export function itemCost(item: Item): number {
  const { itemCostBytes } = sessionConstants;
  return item.kind === 'data' ? item.payload.length + itemCostBytes : itemCostBytes + itemBytesMax(item);
}

/**
 * Items of one direction from being given until being acknowledged, numbered from 1. A cursor stands between those that were
 * put on the present carrier and those to come; `rewind` brings it back to the first that is not acknowledged.
 */
export class Outbox {
  #items: Item[] = [];
  /** Index of the first item not acknowledged. */
  #head = 0;
  /** Index of the next item to send. */
  #cursor = 0;
  #headNumber = 1;
  #sentTo = 0;
  #bytes = 0;

  /** Cost of all that is not acknowledged. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasUnsent(): boolean {
    return this.#cursor < this.#items.length;
  }

  /** True while something was sent and not acknowledged. */
  get hasOutstanding(): boolean {
    return this.#sentTo >= this.#headNumber;
  }

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#bytes += itemCost(item);
  }

  /** Takes note that all up to `number` arrived. False: it was never sent. */
  acknowledge(number: number): boolean {
    if (number > this.#sentTo) return false;
    while (this.#headNumber <= number) {
      this.#bytes -= itemCost(this.#items[this.#head] as Item);
      this.#head += 1;
      this.#headNumber += 1;
    }
    if (this.#cursor < this.#head) this.#cursor = this.#head;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#cursor = 0;
      this.#head = 0;
    } else if (this.#head > 256 && this.#head * 2 > this.#items.length) {
      // Cutting at half keeps the cost of an item constant on average.
      this.#items = this.#items.slice(this.#head);
      this.#cursor -= this.#head;
      this.#head = 0;
    }
    return true;
  }

  /** True when everything up to `number` is acknowledged already. */
  isAcknowledged(number: number): boolean {
    return number < this.#headNumber;
  }

  /** All that is not acknowledged is to be sent again. Answers how many items that were sent before these are. */
  rewind(): number {
    const again = this.#cursor - this.#head;
    this.#cursor = this.#head;
    return again;
  }

  /**
   * The items from the cursor on that fit into `bytesMax`, as a range of an array that is not to be kept; the cursor passes them.
   * Null where not even the first fits, or where there is none.
   */
  take(bytesMax: number, itemsMax: number): OutboxRange | null {
    const items = this.#items;
    const from = this.#cursor;
    const last = Math.min(items.length, from + itemsMax);
    let to = from;
    let bytes = 0;
    while (to < last) {
      bytes += itemBytesMax(items[to] as Item);
      if (bytes > bytesMax) break;
      to += 1;
    }
    if (to === from) return null;
    const first = this.#headNumber + from - this.#head;
    this.#cursor = to;
    this.#sentTo = Math.max(this.#sentTo, first + to - from - 1);
    return { items, from, to, first };
  }

  /** Bytes of the next item to send, at most; 0 where there is none. */
  get nextBytesMax(): number {
    const next = this.#items[this.#cursor];
    return next === undefined ? 0 : itemBytesMax(next);
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#cursor = 0;
    this.#bytes = 0;
    this.#headNumber = this.#sentTo + 1;
  }
}

export interface OutboxRange {
  readonly items: readonly Item[];
  readonly from: number;
  readonly to: number;
  /** Number of `items[from]`. */
  readonly first: number;
}
