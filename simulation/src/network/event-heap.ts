/**
 * What happens when: a binary heap of items by time, then by the order of their setting, so that a seed replays a run.
 * Times lie in a typed array of their own: comparing two entries touches no object, which is what makes millions of
 * events a minute possible where a heap of objects spends its time in the garbage collector.
 */
export class EventHeap<T> {
  #times: Float64Array;
  #orders: Float64Array;
  #items: (T | undefined)[];
  #size = 0;
  #order = 0;
  readonly #entriesMax: number;

  /** `entriesMax`: past it {@link push} refuses. */
  constructor(entriesMax = 50_000_000) {
    this.#entriesMax = entriesMax;
    this.#times = new Float64Array(1_024);
    this.#orders = new Float64Array(1_024);
    this.#items = new Array(1_024);
  }

  get size(): number {
    return this.#size;
  }

  /** The time of the first item, or infinity. */
  get nextAtMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number); // there is one
  }

  /** @throws {RangeError} when `entriesMax` items wait: the network simulated never comes to rest. */
  push(atMs: number, item: T): void {
    if (this.#size === this.#entriesMax) throw new RangeError(`more than ${this.#entriesMax} events wait`);
    if (this.#size === this.#times.length) this.#grow();
    const order = this.#order;
    this.#order += 1;
    let hole = this.#size;
    this.#size += 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // A new item has the greatest order of all, so among equal times it stays behind.
      if ((this.#times[parent] as number) <= atMs) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#set(hole, atMs, order, item);
  }

  /** Takes the first item out; undefined when there is none. */
  pop(): T | undefined {
    if (this.#size === 0) return undefined;
    const first = this.#items[0];
    this.#size -= 1;
    const last = this.#size;
    if (last > 0) this.#sink(this.#times[last] as number, this.#orders[last] as number, this.#items[last] as T);
    this.#items[last] = undefined;
    return first;
  }

  /** Puts what was the last item into the hole at the top, and down to its place. */
  #sink(atMs: number, order: number, item: T): void {
    const half = this.#size >> 1;
    let hole = 0;
    while (hole < half) {
      let child = 2 * hole + 1;
      if (child + 1 < this.#size && this.#isBefore(child + 1, child)) child += 1;
      const time = this.#times[child] as number;
      if (time > atMs || (time === atMs && (this.#orders[child] as number) > order)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#set(hole, atMs, order, item);
  }

  #isBefore(one: number, other: number): boolean {
    const difference = (this.#times[one] as number) - (this.#times[other] as number);
    return difference < 0 || (difference === 0 && (this.#orders[one] as number) < (this.#orders[other] as number));
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#times[from] as number, this.#orders[from] as number, this.#items[from] as T);
  }

  #set(index: number, atMs: number, order: number, item: T): void {
    this.#times[index] = atMs;
    this.#orders[index] = order;
    this.#items[index] = item;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const orders = new Float64Array(times.length);
    times.set(this.#times);
    orders.set(this.#orders);
    this.#times = times;
    this.#orders = orders;
    this.#items.length = times.length;
  }
}
