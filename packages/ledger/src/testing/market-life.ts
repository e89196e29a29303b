import type { WaitOptions } from '@pulsemesh/base';
import type { TableChange, TableRange, TableStore } from '@pulsemesh/store';
import type { GrantLedger, LedgerStep } from '../grants/grant-ledger.ts';

/** Decides, at each point of an agent's life where the outside world changes, whether it dies there. */
export type DeathPlan = (point: {
  readonly agent: string;
  /** Counts over all lives of the agent, from 0. */
  readonly number: number;
}) => 'before' | 'after' | null;

/** Points of all lives of an agent so far. */
export interface LifeCount {
  points: number;
}

/** One life of an office: until it dies, after which nothing of it happens any more and nobody is told. */
export class OfficeLife {
  isAlive = true;
  readonly #agent: string;
  readonly #plan: DeathPlan;
  readonly #count: LifeCount;
  readonly #onDeath: () => void;

  constructor(agent: string, plan: DeathPlan, count: LifeCount, onDeath: () => void) {
    this.#agent = agent;
    this.#plan = plan;
    this.#count = count;
    this.#onDeath = onDeath;
  }

  die(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#onDeath();
  }

  /** The disk as this life has it: it outlives it. */
  store(disk: TableStore): TableStore {
    return {
      get: (table, key) => disk.get(table, key),
      range: (table, range?: TableRange) => disk.range(table, range),
      count: (table) => disk.count(table),
      commit: (changes: readonly TableChange[]) => this.#at(() => disk.commit(changes)),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  /** The ledger as this life has it. */
  ledger(ledger: GrantLedger): GrantLedger {
    const isAlive = () => this.isAlive;
    return {
      status: (options?: WaitOptions) => this.#seen(ledger.status(options)),
      stateOf: (grantId, need, options) => this.#seen(ledger.stateOf(grantId, need, options)),
      creditOf: (payee, token, options) => this.#seen(ledger.creditOf(payee, token, options)),
      perform: (step: LedgerStep, options) => this.#at(() => ledger.perform(step, options)),
      async *events(from, options) {
        for await (const event of ledger.events(from, options)) {
          if (!isAlive()) return;
          yield event;
        }
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async #at<Value>(act: () => Promise<Value>): Promise<Value> {
    if (!this.isAlive) return never();
    const fate = this.#plan({ agent: this.#agent, number: this.#count.points });
    this.#count.points += 1;
    if (fate === 'before') this.die();
    if (!this.isAlive) return never();
    const value = await this.#seen(act());
    if (fate === 'after') this.die();
    return this.isAlive ? value : never();
  }

  async #seen<Value>(promise: Promise<Value>): Promise<Value> {
    try {
      const value = await promise;
      return this.isAlive ? value : never();
    } catch (error) {
      if (!this.isAlive) return never();
      throw error;
    }
  }
}

function never<Value>(): Promise<Value> {
  return new Promise<Value>(() => {});
}
