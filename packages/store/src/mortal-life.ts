import type { TableRange, TableStore } from './table.ts';

/** Whether a life ends at something it does: before it is done, after it, or not at all. */
export type Fate = 'before' | 'after' | null;

/** Ends a life at chosen points: `number` counts what this life did, from 0, over all kinds. */
export type FatePlan<Point extends string> = (number: number, kind: Point | 'commit') => Fate;

/**
 * One life of a program, for tests of crashes: once it is over nothing of it happens any more, and it hears of nothing. The
 * disk outlives it.
 */
export class MortalLife<Point extends string = never> {
  isAlive = true;
  readonly #plan: FatePlan<Point>;
  readonly #onDeath: () => void;
  readonly #died = Promise.withResolvers<void>();
  #points = 0;

  /** `onDeath` is called at once when it is over. */
  constructor(plan: FatePlan<Point>, onDeath: () => void = () => {}) {
    this.#plan = plan;
    this.#onDeath = onDeath;
  }

  /** Points so far at which it could have ended. */
  get points(): number {
    return this.#points;
  }

  /** Resolves when it is over. */
  get died(): Promise<void> {
    return this.#died.promise;
  }

  die(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#onDeath();
    this.#died.resolve();
  }

  /** Does something at a point where this life may end. */
  async at<Value>(kind: Point | 'commit', act: () => Promise<Value>): Promise<Value> {
    if (!this.isAlive) return never();
    const fate = this.#plan(this.#points, kind);
    this.#points += 1;
    if (fate === 'before') this.die();
    if (!this.isAlive) return never();
    const value = await this.seen(act());
    if (fate === 'after') this.die();
    return this.isAlive ? value : never();
  }

  /** The outcome, if this life is there to see it. */
  async seen<Value>(promise: Promise<Value>): Promise<Value> {
    try {
      const value = await promise;
      return this.isAlive ? value : never();
    } catch (error) {
      if (!this.isAlive) return never();
      throw error;
    }
  }

  /** The disk as this life has it. */
  store(disk: TableStore): TableStore {
    return {
      get: (table, key) => disk.get(table, key),
      range: (table, range?: TableRange) => disk.range(table, range),
      count: (table) => disk.count(table),
      commit: (changes) => this.at('commit', () => disk.commit(changes)),
      [Symbol.asyncDispose]: async () => {},
    };
  }
}

function never<Value>(): Promise<Value> {
  return new Promise<Value>(() => {});
}
