import type { Block } from '@ethereumjs/block';
import type { Common } from '@ethereumjs/common';
import type { TypedTransaction } from '@ethereumjs/tx';
import { type Clock, errorForLog, type Logger, type Timer } from '@pulsemesh/base';
import { createSigner, type Signer } from '@pulsemesh/crypto';
import { StoreFullError } from '@pulsemesh/store';
import { ChainClosedError, overLimit, RpcRefusal, rpcCodes } from '../errors.ts';
import { BlockDraft, type FinishedDraft } from '../execution/block-draft.ts';
import { type CallInput, type CallOutcome, Executor } from '../execution/executor.ts';
import type { RecoveredKeys, RecoverKey } from '../execution/recover-key.ts';
import { readTransaction, recoveryInput, type SignedTransaction, withSender } from '../execution/signed-transaction.ts';
import { embeddedLimits } from '../limits.ts';
import { CachedState } from '../state/cached-state.ts';
import { FlatState } from '../state/flat-state.ts';
import { toHex } from '../state/hex.ts';
import { Recent } from '../state/recent.ts';
import { blockOf, type ChainSpec, openFields, type StoredBlock, type StoredTransaction, sealMessage } from './block.ts';
import type { ChainDatabase } from './chain-database.ts';
import type { Instruments } from './instruments.ts';
import { type ChainSettings, openChain } from './open-chain.ts';
import { Pool, type Waiting } from './pool.ts';

export interface ChainDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instruments: Instruments;
  /** Who recovers keys beside this thread. */
  readonly recoveryHelper?: RecoveryHelper | undefined;
}

/** Recovers a key elsewhere; null where it is to be done here. */
export interface RecoveryHelper {
  recover(...input: Parameters<RecoverKey>): Promise<Uint8Array | null>;
}

/**
 * A chain with one sealer in this thread. What is sent waits a moment; what waits is sealed together: one block, one signature, one fsync
 * for many transactions. The head is final at once. Between two awaits of the event loop nothing is half done: readers see sealed blocks.
 */
export class Chain implements AsyncDisposable {
  readonly spec: ChainSpec;
  readonly rules: Common;
  readonly database: ChainDatabase;
  /** The head's state. */
  readonly state: CachedState;
  readonly #dependencies: ChainDependencies;
  readonly #signer: Signer;
  readonly #sealing: Executor;
  readonly #reading: Executor;
  readonly #pool: Pool;
  readonly #keys: RecoveredKeys;
  readonly #helper: RecoveryHelper | undefined;
  readonly #readTransactions = new Recent<TypedTransaction>(embeddedLimits.readTransactionsMax);
  readonly #heartbeatMs: number;
  readonly #counts: Instruments;
  #head: StoredBlock;
  readonly #failed = Promise.withResolvers<void>();
  #failure: unknown;
  #isClosed = false;
  #seal: Promise<void> | undefined;
  #timer: Timer | undefined;
  #reads: Promise<unknown> = Promise.resolve();
  #readsWaiting = 0;

  private constructor(parts: ChainParts, settings: ChainSettings, dependencies: ChainDependencies) {
    this.spec = parts.spec;
    this.rules = parts.rules;
    this.database = parts.database;
    this.state = parts.state;
    this.#head = parts.head;
    this.#keys = parts.keys;
    this.#helper = dependencies.recoveryHelper;
    this.#sealing = parts.sealing;
    this.#reading = parts.reading;
    this.#dependencies = dependencies;
    this.#signer = createSigner(settings.sealerSeed);
    this.#heartbeatMs = settings.heartbeatMs;
    this.#pool = new Pool(dependencies.clock);
    this.#counts = dependencies.instruments;
    this.#setTimer();
  }

  /** Opens the chain of a directory, or makes it. @throws as `openChain`. */
  static async open(settings: ChainSettings, dependencies: ChainDependencies): Promise<Chain> {
    const { database, spec, rules, head, keys } = openChain(settings, dependencies.clock);
    try {
      const state = new CachedState(database);
      const hashes = { hashOf: (number: number) => database.blockByNumber(number)?.hash ?? null };
      const sealing = await Executor.create(rules, new FlatState(state), hashes);
      const reading = await Executor.create(rules, new FlatState(state), hashes);
      const chain = new Chain({ database, spec, rules, head, keys, state, sealing, reading }, settings, dependencies);
      const ageMs = dependencies.clock.now() - head.timestamp * 1_000;
      // Until the clock has caught up the chain's time stands: a block is never before its parent.
      if (ageMs < -2_000) dependencies.logger.warn('the clock is behind the ledger', { behindMs: -ageMs });
      if (ageMs >= settings.heartbeatMs) await chain.sealNow();
      return chain;
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  /** The database broke, as whoever read from it found: what waits is refused, and nothing more is taken. */
  fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isClosed) return;
    this.#failure = error;
    this.#failed.resolve();
    this.#pool.rejectAll(new ChainClosedError({ cause: error }));
  }

  /** Resolves if the database breaks: this chain takes nothing more; what is on the disk is looked at again by the next that opens it. */
  get failed(): Promise<void> {
    return this.#failed.promise;
  }

  get head(): StoredBlock {
    return this.#head;
  }

  /** Transactions that wait to be sealed. */
  get waitingCount(): number {
    return this.#pool.size;
  }

  /**
   * Takes a signed transaction and resolves with its hash once it is durable in a sealed block. The same one again, even after a restart,
   * is answered the same.
   * @throws {RpcRefusal} when it may not stand in a block; {ChainClosedError}; what the store says when it is full or broken.
   */
  async submit(raw: Uint8Array): Promise<Uint8Array> {
    this.assertRunning();
    const signed = await this.#read(raw);
    this.assertRunning();
    if (this.database.transactionByHash(signed.hash) !== undefined) return signed.hash;
    const sealed = this.#pool.add(signed, this.nonceOf(signed.senderHex));
    this.#wake();
    await sealed;
    return signed.hash;
  }

  /** The next nonce of an account in the head's state. */
  nonceOf(address: string): bigint {
    return this.state.account(address)?.nonce ?? 0n;
  }

  /** The next nonce after what waits in order. */
  pendingNonceOf(address: string): bigint {
    return this.#pool.nextNonce(address, this.nonceOf(address));
  }

  /** A sealed transaction as the library knows it. */
  transaction({ hash, raw }: StoredTransaction): TypedTransaction {
    const key = toHex(hash);
    const found = this.#readTransactions.get(key);
    if (found !== undefined) return found;
    const tx = readTransaction(raw, this.rules);
    this.#readTransactions.set(key, tx);
    return tx;
  }

  /** What waits under this hash. */
  waiting(hash: Uint8Array): Waiting | undefined {
    return this.#pool.find(hash);
  }

  /** Executes a call on the head's state, in the head's block or the one to come. @throws {RpcRefusal} over the limit. */
  async call(input: CallInput, where: 'head' | 'next'): Promise<CallOutcome> {
    this.assertRunning();
    if (this.#readsWaiting >= embeddedLimits.executionsWaitingMax) throw overLimit('executionsWaitingMax');
    this.#readsWaiting += 1;
    const earlier = this.#reads;
    const mine = (async () => {
      await earlier;
      return this.#reading.call(input, this.#blockFor(where));
    })();
    this.#reads = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#readsWaiting -= 1;
    }
  }

  /** Seals a block of what waits, or an empty one. Resolves when it is durable. */
  async sealNow(): Promise<void> {
    while (this.#seal !== undefined) await this.#seal.catch(() => {});
    this.assertRunning();
    await this.#startSeal(true);
  }

  /** Refuses what waits and closes the database. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    while (this.#seal !== undefined) await this.#seal.catch(() => {});
    await this.#reads;
    this.#pool.rejectAll(new ChainClosedError());
    this.database[Symbol.dispose]();
  }

  #blockFor(where: 'head' | 'next'): Block {
    const { spec, rules } = this;
    return blockOf(spec, rules, where === 'head' ? this.#head : openFields(this.#head, this.#nextTimestamp()));
  }

  #nextTimestamp(): number {
    return Math.max(this.#head.timestamp, Math.floor(this.#dependencies.clock.now() / 1_000));
  }

  /** @throws {ChainClosedError} once it is closed or its database broke. */
  assertRunning(): void {
    if (this.#isClosed) throw new ChainClosedError();
    if (this.#failure !== undefined) throw new ChainClosedError({ cause: this.#failure });
  }

  async #read(raw: Uint8Array): Promise<SignedTransaction> {
    const tx = readTransaction(raw, this.rules);
    const input = recoveryInput(tx);
    if (this.#helper !== undefined && input !== null && !this.#keys.knows(...input)) {
      const key = await this.#helper.recover(...input);
      if (key !== null) this.#keys.remember(key, ...input);
    }
    const signed = withSender(tx, raw);
    this.#readTransactions.set(toHex(signed.hash), tx);
    return signed;
  }

  /** Seals soon: once what else has arrived on the sockets is read, so that it goes into the same block. */
  #wake(): void {
    if (this.#seal !== undefined || this.#isClosed || this.#failure !== undefined) return;
    void this.#startSeal(false).catch(() => {});
  }

  #startSeal(isEmptyToo: boolean): Promise<void> {
    const running = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#sealOne(isEmptyToo))
      .finally(() => {
        this.#seal = undefined;
        if (this.#hasReady()) this.#wake();
      });
    this.#seal = running;
    return running;
  }

  #hasReady(): boolean {
    const ready = this.#pool.take((sender) => this.nonceOf(sender));
    if (ready === undefined) return false;
    this.#pool.putBack(ready);
    return true;
  }

  async #sealOne(isEmptyToo: boolean): Promise<void> {
    const startedMs = this.#dependencies.clock.monotonicMs();
    const included: Waiting[] = [];
    try {
      const draft = new BlockDraft(this.spec, this.rules, this.#sealing, this.#head, this.#nextTimestamp());
      await this.#fill(draft, included, startedMs);
      if (included.length > 0 || isEmptyToo) this.#write(draft.finish());
    } catch (error) {
      this.#refuse(included, error);
      if (isEmptyToo) throw error;
      return;
    } finally {
      this.#sealing.state.clear();
    }
    this.#counts.blocks.add();
    this.#counts.transactions.add(included.length);
    this.#counts.sealSeconds.observe((this.#dependencies.clock.monotonicMs() - startedMs) / 1_000);
    for (const { done } of included) done.resolve();
  }

  /** Executes what waits until nothing is ready, the block is full, or enough time has gone. */
  async #fill(draft: BlockDraft, included: Waiting[], startedMs: number): Promise<void> {
    const { state } = this.#sealing;
    const nonceOf = (sender: string) => state.record(sender)?.nonce ?? 0n;
    while (this.#dependencies.clock.monotonicMs() - startedMs < embeddedLimits.blockBuildMsMax) {
      const waiting = this.#pool.take(nonceOf);
      if (waiting === undefined) return;
      if (!draft.hasRoomFor(waiting.signed.tx.gasLimit)) {
        if (draft.transactionCount > 0) return this.#pool.putBack(waiting);
        waiting.done.reject(overLimit('blockGasMax'));
        continue;
      }
      try {
        await draft.add(waiting.signed);
        included.push(waiting);
      } catch (error) {
        this.#counts.refused.add();
        waiting.done.reject(new RpcRefusal(rpcCodes.rejected, refusalText(error)));
      }
    }
  }

  #write(finished: FinishedDraft): void {
    const block = { ...finished.block, seal: this.#signer.sign(sealMessage(finished.block.hash)) };
    this.database.write({ ...finished, block });
    this.state.apply(finished.changes);
    this.#head = block;
  }

  /** A block that could not be written: nothing of it stands, and those who wait are told. */
  #refuse(included: readonly Waiting[], error: unknown): void {
    for (const { done } of included) done.reject(error);
    this.#dependencies.logger.error('the ledger could not seal a block', errorForLog(error));
    if (error instanceof StoreFullError) return; // there may be room again
    this.fail(error);
  }

  /** Once a second: late transactions are refused; a head that has grown old gets a successor, so that the chain's time goes on. */
  #setTimer(): void {
    this.#timer = this.#dependencies.clock.setTimer(() => {
      if (this.#isClosed || this.#failure !== undefined) return;
      if (this.#seal === undefined) this.#pool.sweep((sender) => this.nonceOf(sender));
      const ageMs = this.#dependencies.clock.now() - this.#head.timestamp * 1_000;
      if (ageMs >= this.#heartbeatMs && this.#seal === undefined) void this.#startSeal(true).catch(() => {});
      this.#setTimer();
    }, 1_000);
  }
}

interface ChainParts {
  readonly spec: ChainSpec;
  readonly rules: Common;
  readonly database: ChainDatabase;
  readonly head: StoredBlock;
  readonly keys: RecoveredKeys;
  readonly state: CachedState;
  readonly sealing: Executor;
  readonly reading: Executor;
}

/** The library's first sentence: what is wrong, with nonces and amounts, without the transaction's data. */
function refusalText(error: unknown): string {
  const text = error instanceof Error ? error.message : 'not executable';
  return text.split(' (vm hf=')[0]?.slice(0, 300) ?? 'not executable';
}
