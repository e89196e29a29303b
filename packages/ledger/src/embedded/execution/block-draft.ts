import type { Block } from '@ethereumjs/block';
import type { Common } from '@ethereumjs/common';
import type { RunTxResult } from '@ethereumjs/vm';
import {
  blockOf,
  bloomOf,
  type ChainSpec,
  type HeaderFields,
  openFields,
  receiptsHashOf,
  type StoredBlock,
  type StoredLog,
  type StoredTransaction,
  transactionsHashOf,
} from '../chain/block.ts';
import { embeddedLimits } from '../limits.ts';
import { nextStateHash } from '../state/state-hash.ts';
import type { StateChanges } from '../state/state-types.ts';
import type { Executor } from './executor.ts';
import type { SignedTransaction } from './signed-transaction.ts';

/** A block all but sealed. */
export interface FinishedDraft {
  readonly block: Omit<StoredBlock, 'seal'>;
  readonly transactions: readonly StoredTransaction[];
  readonly logs: readonly StoredLog[];
  readonly changes: StateChanges;
}

/** A block being made, transaction by transaction, by the sealer or by who executes again. Takes the executor's state for itself. */
export class BlockDraft {
  readonly #spec: ChainSpec;
  readonly #rules: Common;
  readonly #executor: Executor;
  readonly #parent: StoredBlock;
  readonly #fields: HeaderFields;
  readonly #block: Block;
  readonly #transactions: StoredTransaction[] = [];
  readonly #logs: StoredLog[] = [];
  #gasUsed = 0n;

  constructor(spec: ChainSpec, rules: Common, executor: Executor, parent: StoredBlock, timestamp: number) {
    this.#spec = spec;
    this.#rules = rules;
    this.#executor = executor;
    this.#parent = parent;
    this.#fields = openFields(parent, timestamp);
    this.#block = blockOf(spec, rules, this.#fields);
    executor.state.clear();
  }

  get transactionCount(): number {
    return this.#transactions.length;
  }

  /** True while a transaction of `gas` fits in. */
  hasRoomFor(gas: bigint): boolean {
    return (
      this.#transactions.length < embeddedLimits.transactionsPerBlockMax &&
      this.#gasUsed + gas <= embeddedLimits.blockGasMax
    );
  }

  /** Executes a transaction as the block's next. @throws as {@link Executor.run}; then the draft is as it was. */
  async add({ tx, hash, raw, sender }: SignedTransaction): Promise<void> {
    const result = await this.#executor.run(tx, this.#block, this.#gasUsed);
    const place = this.#transactions.length;
    const block = this.#fields.number;
    this.#gasUsed += result.totalGasSpent;
    this.#addLogs(result, place);
    this.#transactions.push({
      block,
      place,
      hash,
      sender,
      raw,
      isSuccess: result.execResult.exceptionError === undefined,
      gasUsed: result.totalGasSpent,
      cumulativeGas: this.#gasUsed,
      contract: result.createdAddress?.bytes ?? null,
    });
  }

  /** What the block came to. The executor's state still holds its changes. */
  finish(): FinishedDraft {
    const changes = this.#executor.state.changes();
    const fields: HeaderFields = {
      ...this.#fields,
      gasUsed: this.#gasUsed,
      transactionsHash: transactionsHashOf(this.#transactions.map(({ hash }) => hash)),
      receiptsHash: receiptsHashOf(this.#transactions, this.#logs),
      stateHash: nextStateHash(this.#parent.stateHash, changes),
    };
    const hash = blockOf(this.#spec, this.#rules, fields, bloomOf(this.#logs)).hash();
    const block = { ...fields, hash, transactionCount: this.#transactions.length };
    return { block, transactions: this.#transactions, logs: this.#logs, changes };
  }

  #addLogs({ execResult }: RunTxResult, transactionPlace: number): void {
    if (execResult.exceptionError !== undefined) return;
    for (const [address, topics, data] of execResult.logs ?? []) {
      this.#logs.push({
        block: this.#fields.number,
        place: this.#logs.length,
        transactionPlace,
        address,
        topics,
        data,
      });
    }
  }
}
