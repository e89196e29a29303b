import { EngineClosedError } from '../errors.ts';

interface Call<Item, Result> {
  readonly items: readonly Item[];
  readonly promise: PromiseWithResolvers<readonly Result[]>;
}

export interface CallBatcherOptions<Item, Result> {
  /** One result for each item, in order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Items and bytes of one run; a call alone may be larger. */
  readonly itemsMax: number;
  readonly bytesMax: number;
  readonly sizeOf: (item: Item) => number;
}

/**
 * Runs one batch at a time: calls that come meanwhile wait, in their order, and go together. So the cost of a round trip and of a flush is
 * shared, and order needs no further thought: where a run fails, what waits behind it fails with it. Whoever calls bounds how much waits.
 */
export class CallBatcher<Item, Result> {
  readonly #options: CallBatcherOptions<Item, Result>;
  #waiting: Call<Item, Result>[] = [];
  #waitingBytes = 0;
  #isRunning = false;
  #isClosed = false;

  constructor(options: CallBatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Of the items that are not under way yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  call(items: readonly Item[]): Promise<readonly Result[]> {
    if (this.#isClosed) return Promise.reject(new EngineClosedError());
    const call = { items, promise: Promise.withResolvers<readonly Result[]>() };
    this.#waiting.push(call);
    this.#waitingBytes += this.#bytesOf(call);
    if (!this.#isRunning) void this.#runAll();
    return call.promise.promise;
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    // Those who call in the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#runOnce();
    this.#isRunning = false;
  }

  async #runOnce(): Promise<void> {
    const calls = this.#next();
    try {
      const results = await this.#options.run(calls.flatMap(({ items }) => items));
      let at = 0;
      for (const { items, promise } of calls) {
        promise.resolve(results.slice(at, at + items.length));
        at += items.length;
      }
    } catch (error) {
      // Those behind it as well: what is asked again must not find later ones done before it.
      for (const { promise } of [...calls, ...this.#takeAll()]) promise.reject(error);
    }
  }

  #next(): Call<Item, Result>[] {
    const { itemsMax, bytesMax } = this.#options;
    let count = 0;
    let items = 0;
    let bytes = 0;
    for (const call of this.#waiting) {
      items += call.items.length;
      bytes += this.#bytesOf(call);
      if (count > 0 && (items > itemsMax || bytes > bytesMax)) break;
      this.#waitingBytes -= this.#bytesOf(call);
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  #takeAll(): Call<Item, Result>[] {
    this.#waitingBytes = 0;
    return this.#waiting.splice(0);
  }

  #bytesOf({ items }: Call<Item, Result>): number {
    return items.reduce((sum, item) => sum + this.#options.sizeOf(item), 0);
  }

  /** What waits is refused; what is under way ends by itself. */
  close(): void {
    this.#isClosed = true;
    for (const { promise } of this.#takeAll()) promise.reject(new EngineClosedError());
  }
}
