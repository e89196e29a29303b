import { raceSignal, type WaitOptions } from './abort.ts';
import { Condition } from './errors.ts';

/** The queue holds all it may: nothing was added. Retryable. */
export class QueueFullError extends Condition {
  override readonly name = 'QueueFullError';
  constructor(itemsMax: number, bytesMax: number) {
    super('queue-full', `the queue is full (${itemsMax} items or ${bytesMax} bytes)`, {
      facts: { itemsMax, bytesMax },
      retryable: true,
    });
  }
}

/** The queue was closed: waiting takes reject with it. */
export class QueueClosedError extends Condition {
  override readonly name = 'QueueClosedError';
  constructor() {
    super('queue-closed', 'the queue is closed');
  }
}

export interface BoundedQueueOptions<T> {
  readonly itemsMax: number;
  /** Default: unlimited; with it, give `sizeOf`. */
  readonly bytesMax?: number;
  /** Bytes an item counts for; default 0. */
  readonly sizeOf?: (item: T) => number;
}

/**
 * First in, first out, bounded by items and bytes. Full means one thing: `push` refuses and the
 * queue keeps what it had.
 */
export class BoundedQueue<T> {
  readonly #itemsMax: number;
  readonly #bytesMax: number;
  readonly #sizeOf: (item: T) => number;
  #items: T[] = [];
  #head = 0;
  #bytes = 0;
  #isClosed = false;
  #waiting: PromiseWithResolvers<T>[] = [];

  constructor(options: BoundedQueueOptions<T>) {
    this.#itemsMax = options.itemsMax;
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY;
    this.#sizeOf = options.sizeOf ?? (() => 0);
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends `item`, or hands it to the longest-waiting `take`.
   * @throws {QueueFullError} and keeps the others; {@link QueueClosedError} after `close`.
   */
  push(item: T): void {
    if (this.#isClosed) throw new QueueClosedError();
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.resolve(item);
      return;
    }
    const size = this.#sizeOf(item);
    if (this.length >= this.#itemsMax || this.#bytes + size > this.#bytesMax) {
      throw new QueueFullError(this.#itemsMax, this.#bytesMax);
    }
    this.#items.push(item);
    this.#bytes += size;
  }

  /** The oldest item, or undefined when there is none now. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#head += 1;
    this.#bytes -= this.#sizeOf(item);
    // Compacting at half keeps both push and shift constant on average.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /**
   * The oldest item, waiting for one if need be.
   * @throws {QueueClosedError} once closed and empty; `signal.reason` when aborted.
   */
  async take(options: WaitOptions = {}): Promise<T> {
    const item = this.shift();
    if (item !== undefined) return item;
    if (this.#isClosed) throw new QueueClosedError();
    const waiter = Promise.withResolvers<T>();
    this.#waiting.push(waiter);
    try {
      return await raceSignal(waiter.promise, options.signal);
    } finally {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
    }
  }

  /** Refuses further items and rejects the waiting takes. What is queued can still be shifted. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(new QueueClosedError());
  }
}
