import type { TableStore } from '@pulsemesh/store';
import type { GrantLedger } from '../grants/grant-ledger.ts';
import type { Post } from '../market/post.ts';

/** What a crash can fall before or after. */
export type CrashPoint = 'commit' | 'send' | 'perform';

/** Whether a life ends at its point number `number`, counted from 0 over all kinds. */
export type CrashPlan = (number: number, kind: CrashPoint) => 'before' | 'after' | null;

/** One life of a process: after its crash nothing of it happens any more, and it hears of nothing. The disk outlives it. */
export class CrashingLife {
  readonly #plan: CrashPlan;
  readonly #crashed = Promise.withResolvers<void>();
  points = 0;
  isAlive = true;

  constructor(plan: CrashPlan) {
    this.#plan = plan;
  }

  get crashed(): Promise<void> {
    return this.#crashed.promise;
  }

  crash(): void {
    this.isAlive = false;
    this.#crashed.resolve();
  }

  store(disk: TableStore): TableStore {
    return {
      get: (table, key) => disk.get(table, key),
      range: (table, range) => disk.range(table, range),
      count: (table) => disk.count(table),
      commit: (changes) => this.#at('commit', () => disk.commit(changes)),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  post<Mark>(post: Post<Mark>): Post<Mark> {
    return {
      self: post.self,
      send: (to, message) => this.#at('send', () => post.send(to, message)),
      receive: (handler) => post.receive(handler),
    };
  }

  ledger(ledger: GrantLedger): GrantLedger {
    return {
      status: (options) => this.#settled(ledger.status(options)),
      stateOf: (grantId, need, options) => this.#settled(ledger.stateOf(grantId, need, options)),
      creditOf: (payee, token, options) => this.#settled(ledger.creditOf(payee, token, options)),
      perform: (step, options) => this.#at('perform', () => ledger.perform(step, options)),
      events: (from, options) => ledger.events(from, options),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async #at<Value>(kind: CrashPoint, act: () => Promise<Value>): Promise<Value> {
    if (!this.isAlive) return never();
    const fate = this.#plan(this.points, kind);
    this.points += 1;
    if (fate === 'before') this.crash();
    if (!this.isAlive) return never();
    const value = await this.#settled(act());
    if (fate === 'after') this.crash();
    return this.isAlive ? value : never();
  }

  async #settled<Value>(promise: Promise<Value>): Promise<Value> {
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
