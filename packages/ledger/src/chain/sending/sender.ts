import { raceSignal, TimeoutError, type WaitOptions, withTimeout } from '@pulsemesh/base';
import { keccak256, stringToBytes } from 'viem';
import { LedgerRefusedError, LedgerUnreachableError } from '../../grants/errors.ts';
import type { DoneStep } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import { Drafts, fillerCall } from './drafts.ts';
import type { Fees } from './fees.ts';
import { Follower, type Outcome } from './follower.ts';
import { type Intent, IntentStore } from './intent-store.ts';
import { createMutex } from './mutex.ts';
import type { SenderDependencies, SenderOptions } from './sender-options.ts';
import { Spending } from './spending.ts';
import type { PlannedCall } from './steps.ts';

/** A transaction under way: its nonce is taken until it stays for good. */
interface Active {
  readonly nonce: number;
  readonly outcome: Promise<Outcome>;
  readonly ended: Promise<void>;
}

/**
 * One account's transactions. Each is signed and written before it is sent, so that a crash at any line leaves either nothing or
 * something that is sent again as it was.
 */
export class Sender implements AsyncDisposable {
  readonly #options: SenderOptions;
  readonly #dependencies: SenderDependencies;
  readonly #intents: IntentStore;
  readonly #drafts: Drafts;
  readonly #follower: Follower;
  readonly #stopped = new AbortController();
  readonly #active = new Map<Hex, Active>();
  readonly #underLock = createMutex();
  readonly spending: Spending;

  constructor(options: SenderOptions, dependencies: SenderDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    const { store, view, clock, logger } = dependencies;
    this.#intents = new IntentStore(store);
    this.spending = new Spending(options.spendingLimits, options.signer.address, store);
    this.#drafts = new Drafts(options, { view, clock, logger, spending: this.spending });
    this.#follower = new Follower(options, {
      ...dependencies,
      intents: this.#intents,
      spending: this.spending,
      drafts: this.#drafts,
      underLock: this.#underLock,
      isTaken: (nonce) => this.#isTaken(nonce),
      fill: (nonce) => this.#fill(nonce),
    });
    // What a crash left is sent again as it was.
    for (const intent of this.#intents.load(options.signer.address)) this.#follow(intent);
  }

  /** Transactions that are not yet there for good. */
  get count(): number {
    return this.#active.size;
  }

  /** What a step did, as far as that is remembered. */
  doneOf(key: Hex): DoneStep | null {
    return this.#intents.doneOf(key);
  }

  isUnderWay(key: Hex): boolean {
    return this.#active.has(key);
  }

  /**
   * Puts a call on the ledger under `key`, or joins the one that is under way under it; resolves once it is sealed. `lost`: the nonce
   * went to another transaction, and nothing of this one happened.
   * @throws {LedgerRefusedError}; {SpendingLimitError}; {LedgerUnreachableError}: what was sent by then is followed on.
   */
  async submit(key: Hex, plan: () => PlannedCall, wait: WaitOptions = {}): Promise<DoneStep | 'lost'> {
    const signal = wait.signal ? AbortSignal.any([wait.signal, this.#stopped.signal]) : this.#stopped.signal;
    signal.throwIfAborted();
    const { outcome } = this.#active.get(key) ?? (await this.#begin(key, plan(), { signal }));
    const result = await this.#inTime(outcome, signal);
    if (result.kind === 'refused') throw result.error;
    return result.kind === 'sealed' ? result.done : 'lost';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new LedgerUnreachableError('it is being closed'));
    await this.#underLock(async () => {});
    await Promise.allSettled([...this.#active.values()].map(({ ended }) => ended));
  }

  async #begin(key: Hex, call: PlannedCall, wait: WaitOptions): Promise<Active> {
    if (this.#active.size >= chainLimits.stepsMax) {
      const why = 'too many steps are under way: try again when some are done';
      throw new LedgerRefusedError('too-many-steps', why, { retryable: true });
    }
    const gas = await this.#drafts.gasOf(call, wait);
    const fees = await this.#drafts.fees(wait);
    return this.#underLock(async () => {
      wait.signal?.throwIfAborted();
      // Somebody may have begun the same while this one asked.
      return this.#active.get(key) ?? this.#write(key, call, await this.#freeNonce(wait), gas, fees);
    });
  }

  /** Only under the lock. */
  async #write(key: Hex, call: PlannedCall, nonce: number, gas: bigint, fees: Fees): Promise<Active> {
    const { to, data, value } = call;
    const { reserved, changes } = this.#drafts.reserve(call, gas, fees.feePerGas);
    const form = await this.#drafts.sign({ to, data, value }, nonce, gas, fees);
    const account = this.#options.signer.address;
    const intent: Intent = { key, account, call: { to, data, value }, nonce, gas, forms: [form], reserved };
    await this.#intents.put(intent, changes);
    return this.#follow(intent);
  }

  #follow(intent: Intent): Active {
    const { outcome, ended } = this.#follower.follow(intent, this.#stopped.signal);
    const active: Active = {
      nonce: intent.nonce,
      outcome,
      ended: ended.finally(() => {
        if (!this.#stopped.signal.aborted) this.#active.delete(intent.key);
      }),
    };
    this.#active.set(intent.key, active);
    return active;
  }

  async #inTime(outcome: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
    const { confirmMsMax } = this.#options;
    const sealed = (inner: AbortSignal) => raceSignal(outcome, inner);
    try {
      return await withTimeout(this.#dependencies.clock, 'a step on the ledger', confirmMsMax, sealed, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TimeoutError)) throw error;
      throw new LedgerUnreachableError('the step was sent and is not sealed yet; it is followed on', { cause: error });
    }
  }

  /** The first nonce that neither the chain's nodes nor this process have given away. */
  async #freeNonce(wait: WaitOptions): Promise<number> {
    const { address } = this.#options.signer;
    let nonce = await this.#dependencies.view.use((asker) => asker.nonceOf(address, 'pending'), wait);
    while (this.#isTaken(nonce)) nonce += 1;
    return nonce;
  }

  #isTaken(nonce: number): boolean {
    return [...this.#active.values()].some((active) => active.nonce === nonce);
  }

  /** Uses up a nonce that nobody uses, so that those behind it move on. */
  async #fill(nonce: number): Promise<void> {
    const { address } = this.#options.signer;
    const key = keccak256(stringToBytes(`nonce ${nonce} of ${address}`));
    const call = fillerCall(address);
    const wait = { signal: this.#stopped.signal };
    const gas = await this.#drafts.gasOf(call, wait);
    const fees = await this.#drafts.fees(wait);
    await this.#underLock(async () => {
      if (!this.#isTaken(nonce)) await this.#write(key, call, nonce, gas, fees);
    });
  }
}
