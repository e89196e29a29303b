import { type Clock, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import { type ConsentDomain, domainOf } from '../contract/typed-data.ts';
import { LedgerStaleError, LedgerUnreachableError, NoSignerError } from '../grants/errors.ts';
import { followEvents } from '../grants/follow-events.ts';
import type {
  DoneStep,
  Finality,
  GrantLedger,
  GrantState,
  LedgerEvent,
  LedgerStatus,
  LedgerStep,
} from '../grants/grant-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import {
  type MemoryBlock,
  type MemoryLedgerChecks,
  MemoryLedgerState,
  type MemoryTransaction,
} from './memory-ledger-state.ts';

export interface MemoryLedgerOptions {
  /** Default 31337. */
  readonly chainId?: number;
  readonly contract?: Hex;
  /** A block is final once so many follow it; default 0: at once. */
  readonly finalityDepth?: number;
  /** A head older than this is stale; default: never. */
  readonly headAgeMsMax?: number;
  readonly checks?: Partial<MemoryLedgerChecks>;
}

/** How a party's view of the ledger fails. */
export type LedgerTrouble =
  /** Nothing answers. */
  | 'away'
  /** The head is old. */
  | 'stale'
  /** Steps are done, and the answer is lost. */
  | 'answers-lost';

/** A party's own ledger: its account, and its troubles. */
export interface MemoryLedgerView extends GrantLedger {
  setTrouble(trouble: LedgerTrouble | null): void;
  /** Has the streams of events go back to `from`, as where what was final is taken back and comes again on another branch. */
  goBack(from: bigint): void;
}

const someContract: Hex = `0x${'c0'.repeat(20)}`;

/**
 * The consent contract in memory under a given clock, for tests: real rules, ids and events, one block a step, without signatures unless
 * `checks` asks for them. Purses are the first 20 bytes of their signers.
 */
export class MemoryLedger {
  readonly domain: ConsentDomain;
  readonly #options: MemoryLedgerOptions;
  readonly #clock: Clock;
  readonly #checks: MemoryLedgerChecks;
  readonly #genesisMs: number;
  #blocks: MemoryBlock[] = [];
  #sealed: MemoryLedgerState;
  #final: MemoryLedgerState;
  #transactions = 0;
  #wakes = new Set<() => void>();
  /** Of each view: what became of each step that was sent, in order. For checks of what a test saw. */
  readonly performed: { readonly account: Hex | null; readonly step: LedgerStep }[] = [];

  constructor(options: MemoryLedgerOptions, { clock }: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = clock;
    this.domain = domainOf(options.chainId ?? 31_337, options.contract ?? someContract);
    this.#checks = {
      isOfferSigned: ({ signature }) => signature !== '0x',
      isReceiptSigned: (_offer, _grantId, _delivery, receipt) => receipt !== '0x',
      isRevocationSigned: (_offer, _grantId, signature) => signature !== '0x',
      ...options.checks,
    };
    this.#genesisMs = clock.now();
    this.#sealed = this.#empty();
    this.#final = this.#empty();
  }

  /** The ledger as a party with this account has it; null: it can only read. */
  connect(account: Hex | null): MemoryLedgerView {
    return new View(this, account);
  }

  get sealed(): MemoryLedgerState {
    return this.#sealed;
  }

  get final(): MemoryLedgerState {
    return this.#final;
  }

  /** Seals empty blocks, so that what is below becomes final. */
  seal(count = 1): void {
    for (let index = 0; index < count; index += 1) this.#append([]);
  }

  /**
   * Takes the newest blocks away, none of them final. `keep`: which of their transactions the new chain has; default none.
   * The chain is as long as before: empty blocks fill it up.
   */
  reorganise(depth: number, keep: (transaction: MemoryTransaction) => boolean = () => false): void {
    const depthMax = this.#options.finalityDepth ?? 0;
    if (depth > depthMax) throw new RangeError('final blocks stay');
    const gone = this.#blocks.splice(this.#blocks.length - depth, depth);
    this.#sealed = this.#empty();
    for (const block of this.#blocks) this.#sealed.apply(block);
    for (const block of gone) this.#append(block.transactions.filter(keep));
  }

  status(): LedgerStatus {
    return {
      kind: 'rpc',
      chainId: this.domain.chainId,
      contract: this.domain.verifyingContract,
      head: this.#sealed.head,
      finalized: this.#final.head,
      headAgeMs: this.#clock.now() - this.#sealed.timeMs,
      sealers: ['memory'],
      codeHash: null,
    };
  }

  stateOf(grantId: Hex, need: Finality): GrantState {
    const { status, deadline } = (need === 'final' ? this.#final : this.#sealed).grant(grantId);
    // Time goes on between blocks: what is over is over.
    return { status, deadline, isAllowed: status === 'active' && Math.floor(this.#clock.now() / 1000) <= deadline };
  }

  /** @throws {LedgerRefusedError} */
  perform(account: Hex, step: LedgerStep): DoneStep {
    this.performed.push({ account, step });
    const before = this.#sealed.doneBefore(account, step);
    if (before !== null) return { ...before, gasUsed: 0n };
    this.#transactions += 1;
    const hash: Hex = `0x${toHex(sha256(new TextEncoder().encode(`transaction ${this.#transactions}`)))}`;
    this.#append([{ hash, sender: account, step }]);
    return { transaction: hash, at: this.#sealed.head, gasUsed: 50_000n };
  }

  events(from: bigint, signal: AbortSignal): AsyncGenerator<LedgerEvent> {
    return followEvents(() => this.#final.events, this.#wakes, { from, signal });
  }

  get headAgeMsMax(): number {
    return this.#options.headAgeMsMax ?? Number.POSITIVE_INFINITY;
  }

  #append(transactions: readonly MemoryTransaction[]): void {
    const block: MemoryBlock = { number: BigInt(this.#blocks.length + 1), timeMs: this.#clock.now(), transactions };
    try {
      this.#sealed.apply(block);
    } catch (error) {
      // Some of the step may be in it: what is left is what the blocks say.
      this.#sealed = this.#empty();
      for (const kept of this.#blocks) this.#sealed.apply(kept);
      throw error;
    }
    this.#blocks.push(block);
    const finalCount = this.#blocks.length - (this.#options.finalityDepth ?? 0);
    for (let index = Number(this.#final.head); index < finalCount; index += 1) {
      this.#final.apply(this.#blocks[index] as MemoryBlock); // below the length
    }
    for (const wake of [...this.#wakes]) wake();
  }

  #empty(): MemoryLedgerState {
    return new MemoryLedgerState(this.domain, this.#checks, this.#genesisMs);
  }
}

class View implements MemoryLedgerView {
  readonly #ledger: MemoryLedger;
  readonly #account: Hex | null;
  #trouble: LedgerTrouble | null = null;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];
  readonly #streams = new Set<(to: bigint) => void>();

  constructor(ledger: MemoryLedger, account: Hex | null) {
    this.#ledger = ledger;
    this.#account = account;
  }

  setTrouble(trouble: LedgerTrouble | null): void {
    this.#trouble = trouble;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async status(options: WaitOptions = {}): Promise<LedgerStatus> {
    this.#reach(options);
    return this.#ledger.status();
  }

  async stateOf(grantId: Hex, need: Finality, options: WaitOptions = {}): Promise<GrantState> {
    this.#reach(options);
    this.#assertFresh();
    return this.#ledger.stateOf(grantId, need);
  }

  async creditOf(payee: Hex, token: Hex, options: WaitOptions = {}): Promise<bigint> {
    this.#reach(options);
    this.#assertFresh();
    return this.#ledger.final.credit(payee, token);
  }

  async perform(step: LedgerStep, options: WaitOptions = {}): Promise<DoneStep> {
    if (this.#trouble === 'away') this.#reach(options);
    if (this.#account === null) throw new NoSignerError();
    const done = this.#ledger.perform(this.#account, step);
    if (this.#trouble === 'answers-lost') throw new LedgerUnreachableError('the answer was lost');
    return done;
  }

  goBack(from: bigint): void {
    for (const goBack of [...this.#streams]) goBack(from);
  }

  async *events(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<LedgerEvent> {
    let start: bigint | null = from;
    while (start !== null && !signal.aborted) {
      const turned = new AbortController();
      const since: bigint = start;
      start = null;
      const goBack = (to: bigint) => {
        start = to;
        turned.abort();
      };
      this.#streams.add(goBack);
      yield* this.#eventsUntil(since, AbortSignal.any([signal, turned.signal]));
      this.#streams.delete(goBack);
    }
  }

  async *#eventsUntil(from: bigint, signal: AbortSignal): AsyncGenerator<LedgerEvent> {
    for await (const event of this.#ledger.events(from, signal)) {
      while (this.#trouble === 'away' && !signal.aborted) {
        const woken = Promise.withResolvers<void>();
        this.#waiting.push(woken.resolve);
        await raceSignal(woken.promise, signal).catch(() => {});
      }
      if (!signal.aborted) yield event;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
  }

  #reach({ signal }: WaitOptions): void {
    signal?.throwIfAborted();
    if (this.#trouble === 'away' || this.#isClosed) throw new LedgerUnreachableError('the test says so');
  }

  #assertFresh(): void {
    const { headAgeMs } = this.#ledger.status();
    if (this.#trouble === 'stale') throw new LedgerStaleError(headAgeMs, 0);
    if (headAgeMs > this.#ledger.headAgeMsMax) throw new LedgerStaleError(headAgeMs, this.#ledger.headAgeMsMax);
  }
}
