import type { Author, Board, EntryBodies, EntryKind } from '@pulsemesh/board';
import type { TableChange, TableRange, TableStore } from '@pulsemesh/store';

/** What a party does that a crash can fall before or after. */
export type CrashPoint = 'commit' | 'send' | 'publish';

/** Decides, at each point of a life, numbered from 0, whether it crashes there. */
export type CrashPlan = (point: {
  readonly agent: string;
  readonly life: number;
  readonly number: number;
  readonly kind: CrashPoint;
}) => 'before' | 'after' | null;

/** One life of an agent: from its start until it crashes, after which nothing of it happens any more and nobody is told. */
export class Life {
  readonly #agent: string;
  readonly #life: number;
  readonly #plan: CrashPlan;
  readonly #crashed = Promise.withResolvers<void>();
  #points = 0;
  isAlive = true;

  constructor(agent: string, life: number, plan: CrashPlan) {
    this.#agent = agent;
    this.#life = life;
    this.#plan = plan;
  }

  /** Resolves when it crashes. */
  get crashed(): Promise<void> {
    return this.#crashed.promise;
  }

  get points(): number {
    return this.#points;
  }

  crash(): void {
    this.isAlive = false;
    this.#crashed.resolve();
  }

  /** Does something at a point where a crash may fall; of a life that is over, nothing is ever heard. */
  async at<Value>(kind: CrashPoint, act: () => Promise<Value>): Promise<Value> {
    if (!this.isAlive) return never();
    const fate = this.#plan({ agent: this.#agent, life: this.#life, number: this.#points, kind });
    this.#points += 1;
    if (fate === 'before') this.crash();
    if (!this.isAlive) return never();
    const value = await this.settled(act());
    if (fate === 'after') this.crash();
    return this.isAlive ? value : never();
  }

  /** The outcome, if this life is there to see it. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    try {
      const value = await promise;
      return this.isAlive ? value : never();
    } catch (error) {
      if (!this.isAlive) return never();
      throw error;
    }
  }

  /** The store as this life has it: the disk outlives it. */
  store(disk: TableStore): TableStore {
    return {
      get: (table, key) => disk.get(table, key),
      range: (table, range?: TableRange) => disk.range(table, range),
      count: (table) => disk.count(table),
      commit: (changes: readonly TableChange[]) => this.at('commit', () => disk.commit(changes)),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  /** The board as this life has it. */
  board(board: Board): Board {
    return {
      get size() {
        return board.size;
      },
      entries: (kind) => board.entries(kind),
      entry: (id) => board.entry(id),
      onEntry: (handler) => board.onEntry((entry) => (this.isAlive ? handler(entry) : undefined)),
      refresh: (options) => this.settled(board.refresh(options)),
      publish: <Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind], author: Author) =>
        this.at('publish', () => board.publish(kind, body, author)),
      receipt: (index, options) => this.settled(board.receipt(index, options)),
      [Symbol.asyncDispose]: async () => {},
    };
  }
}

function never<Value>(): Promise<Value> {
  return new Promise<Value>(() => {});
}
