import type { Clock, Random } from '@pulsemesh/base';
import { assert } from '@pulsemesh/base/errors';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import type { ClaimOutcome, EngineLimits, MailboxEngine, StoreOutcome } from '../../engine.ts';
import type { InboxId } from '../../inbox-id.ts';
import { tables } from '../lmdb/rows.ts';
import { createTableEngine } from '../lmdb/table-engine.ts';
import type { LogEntry, Operation } from './operations.ts';

/** What came of one operation. */
export type OperationResult =
  | { readonly kind: 'append'; readonly outcomes: readonly StoreOutcome[] }
  | { readonly kind: 'ack'; readonly removed: number }
  | { readonly kind: 'claim'; readonly outcomes: readonly ClaimOutcome[] }
  | { readonly kind: 'release'; readonly isReleased: boolean }
  | { readonly kind: 'sweep'; readonly removed: number }
  | { readonly kind: 'mark' };

export type Row = readonly [table: string, key: Uint8Array, value: Uint8Array];

/** Relays whose last entry is remembered; the one that was quiet longest is forgotten first. */
const relaysMax = 1_000;
const rowsPerCommit = 500;

/**
 * The mailboxes as they are after a number of log entries: the tables of the embedded engine, in memory, changed by nothing else than
 * the log. So they are the same at every relay. At a mark everything that is not in a table is given up, since a relay that
 * starts from the snapshot made there has nothing else.
 */
export class Replica {
  readonly #limits: EngineLimits;
  readonly #store: TableStore = createMemoryTables();
  readonly #time: OperationTime;
  readonly #numbers: Map<string, number>;
  #engine: MailboxEngine;

  private constructor(limits: EngineLimits, clock: Clock, numbers: Iterable<readonly [string, number]>) {
    this.#limits = limits;
    this.#time = new OperationTime(clock);
    this.#numbers = new Map(numbers);
    this.#engine = this.#newEngine();
  }

  static async create(
    limits: EngineLimits,
    clock: Clock,
    state: { readonly rows: Iterable<Row>; readonly numbers: Iterable<readonly [string, number]> },
  ): Promise<Replica> {
    const replica = new Replica(limits, clock, state.numbers);
    const changes = [...state.rows].map(([table, key, value]) => ({ kind: 'put', table, key, value }) as const);
    for (let at = 0; at < changes.length; at += rowsPerCommit) {
      await replica.#store.commit(changes.slice(at, at + rowsPerCommit));
    }
    replica.#engine = replica.#newEngine();
    return replica;
  }

  /** For reading; replaced at each mark. */
  get engine(): Pick<MailboxEngine, 'read' | 'position' | 'claimOf' | 'stats'> {
    return this.#engine;
  }

  /** Null: the entry was applied before. One entry after the other. */
  async apply({ relay, number, operations }: LogEntry): Promise<readonly OperationResult[] | null> {
    if (number <= (this.#numbers.get(relay) ?? 0)) return null;
    this.#numbers.delete(relay);
    this.#numbers.set(relay, number);
    for (const oldest of this.#numbers.keys()) {
      if (this.#numbers.size <= relaysMax) break;
      this.#numbers.delete(oldest);
    }
    const results: OperationResult[] = [];
    for (const operation of operations) results.push(await this.#applyOne(operation));
    return results;
  }

  async #applyOne(operation: Operation): Promise<OperationResult> {
    switch (operation.kind) {
      case 'append':
        this.#time.begin(operation.nowMs);
        return { kind: 'append', outcomes: await this.#during(this.#engine.append(operation.batch)) };
      case 'ack':
        return { kind: 'ack', removed: await this.#engine.ack(operation.acks) };
      case 'claim':
        this.#time.begin(operation.nowMs, operation.epochs);
        return { kind: 'claim', outcomes: await this.#during(this.#engine.claim(operation.claims)) };
      case 'release':
        return { kind: 'release', isReleased: await this.#engine.release(operation.inbox, operation.owner) };
      case 'sweep':
        this.#time.begin(operation.nowMs);
        return { kind: 'sweep', removed: await this.#during(this.#engine.sweep()) };
      case 'mark':
        this.#engine = this.#newEngine();
        return { kind: 'mark' };
    }
  }

  async #during<T>(action: Promise<T>): Promise<T> {
    try {
      return await action;
    } finally {
      this.#time.end();
    }
  }

  /** Everything, at once: the state of this moment. */
  rows(): Row[] {
    return Object.values(tables).flatMap((table) =>
      [...this.#store.range(table)].map(({ key, value }): Row => [table, key, value]),
    );
  }

  get numbers(): readonly (readonly [string, number])[] {
    return [...this.#numbers];
  }

  #newEngine(): MailboxEngine {
    return createTableEngine(
      'nats',
      { limits: this.#limits },
      { clock: this.#time, random: this.#time.random, store: this.#store },
    );
  }
}

/** The time and the chance that stand in an operation while it is applied; else the relay's own time. */
class OperationTime implements Clock {
  readonly #clock: Clock;
  #nowMs: number | null = null;
  #epochs: Uint8Array = new Uint8Array(0);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(nowMs: number, epochs: Uint8Array = new Uint8Array(0)): void {
    this.#nowMs = nowMs;
    this.#epochs = epochs;
  }

  end(): void {
    this.#nowMs = null;
  }

  now(): number {
    return this.#nowMs ?? this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimer(action: () => void, delayMs: number) {
    return this.#clock.setTimer(action, delayMs);
  }

  readonly random: Random = {
    bytes: (length) => {
      assert(length <= this.#epochs.length, 'an operation draws no more than stands in it');
      const drawn = this.#epochs.subarray(0, length);
      this.#epochs = this.#epochs.subarray(length);
      return drawn;
    },
    float: noOther,
    integer: noOther,
    normal: noOther,
    shuffle: noOther,
  };
}

function noOther(): never {
  throw new TypeError('an operation has bytes only');
}

/** The mailboxes into which an operation put something. */
export function filledBy(operation: Operation, result: OperationResult): Set<InboxId> {
  const filled = new Set<InboxId>();
  if (operation.kind !== 'append' || result.kind !== 'append') return filled;
  for (const [index, { inbox }] of operation.batch.entries()) {
    const outcome = result.outcomes[index];
    if (outcome?.kind === 'stored' && outcome.isNew) filled.add(inbox);
  }
  return filled;
}
