import type { Clock, Random } from '@pulsemesh/base';
import { generateSeed } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import { fromHex, toHex } from '@pulsemesh/wire';
import { RunForgottenError } from './errors.ts';
import type { PartyLimits } from './limits.ts';
import { type SealedRows, scopeKeyOf, tables } from './rows.ts';

/** The name under which a run itself is a scope. */
export const runScope = '-';
/** Rows removed in one commit: a round of a hundred sites has thousands. */
const removalsPerCommit = 256;

interface LiveScope {
  readonly run: string;
  readonly scope: string;
  readonly seed: Uint8Array;
}

/** Which parts of which runs live, with their seeds, and which are over. */
export class Scopes {
  readonly #rows: SealedRows;
  readonly #limits: PartyLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #live = new Map<string, LiveScope>();
  /** Key in hex → when it was forgotten. Oldest first. */
  readonly #tombstones = new Map<string, number>();

  constructor(rows: SealedRows, limits: PartyLimits, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#rows = rows;
    this.#limits = limits;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    const forgotten: { readonly key: string; readonly atMs: number }[] = [];
    for (const { key, value } of rows.store.range(tables.scopes)) {
      const row = rows.open(tables.scopes, key, value) as LiveScope | { readonly forgottenMs: number }; // written below
      if ('seed' in row) this.#live.set(toHex(key), row);
      else forgotten.push({ key: toHex(key), atMs: row.forgottenMs });
    }
    for (const { key, atMs } of forgotten.sort((one, other) => one.atMs - other.atMs)) this.#tombstones.set(key, atMs);
  }

  isForgotten(run: string, scope: string): boolean {
    return this.#isOver(run, scope) || this.#isOver(run, runScope);
  }

  #isOver(run: string, scope: string): boolean {
    return this.#tombstones.has(toHex(scopeKeyOf(run, scope)));
  }

  /** The scope's seed, drawn and durable at the latest now. @throws {RunForgottenError} */
  async open(run: string, scope: string): Promise<Uint8Array> {
    if (this.isForgotten(run, scope)) throw new RunForgottenError(run, scope);
    const key = scopeKeyOf(run, scope);
    const known = this.#live.get(toHex(key));
    if (known !== undefined) return known.seed;
    const live: LiveScope = { run, scope, seed: generateSeed(this.#random) };
    await this.#rows.store.commit([this.#rows.put(tables.scopes, key, live)]);
    this.#live.set(toHex(key), live);
    return live.seed;
  }

  /** The scopes of a run that live, itself last. */
  ofRun(run: string): readonly string[] {
    const names = [...this.#live.values()].filter((live) => live.run === run).map(({ scope }) => scope);
    return [...names.filter((name) => name !== runScope), ...names.filter((name) => name === runScope)];
  }

  /**
   * Puts a tombstone where the seed was, then, when `drain` says that nothing is being written for the scope any more, removes its rows.
   * Again after a crash: it goes on.
   */
  async forget(run: string, scope: string, drain: () => Promise<void>): Promise<void> {
    const key = scopeKeyOf(run, scope);
    const atMs = this.#clock.now();
    await this.#rows.store.commit([
      this.#rows.put(tables.scopes, key, { forgottenMs: atMs }),
      ...this.#oldTombstones(),
    ]);
    this.#live.delete(toHex(key));
    this.#tombstones.set(toHex(key), atMs);
    await drain();
    await this.#sweep(key);
  }

  /** Removes what a crash left of forgotten scopes. */
  async finishForgetting(): Promise<void> {
    for (const hex of [...this.#tombstones.keys()]) await this.#sweep(fromHex(hex));
  }

  async #sweep(scopeKey: Uint8Array): Promise<void> {
    const removals: TableChange[] = [];
    for (const table of [tables.journal, tables.inbox, tables.pieces]) {
      for (const key of this.#rows.keys(table, scopeKey)) removals.push(this.#rows.remove(table, key));
    }
    for (let at = 0; at < removals.length; at += removalsPerCommit) {
      await this.#rows.store.commit(removals.slice(at, at + removalsPerCommit));
    }
  }

  #oldTombstones(): TableChange[] {
    const changes: TableChange[] = [];
    for (const key of this.#tombstones.keys()) {
      if (this.#tombstones.size < this.#limits.tombstonesMax) break;
      this.#tombstones.delete(key);
      changes.push(this.#rows.remove(tables.scopes, fromHex(key)));
    }
    return changes;
  }
}
