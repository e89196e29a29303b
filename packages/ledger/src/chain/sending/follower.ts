import { errorForLog, sleep } from '@pulsemesh/base';
import { zeroAddress } from 'viem';
import type { LedgerRefusedError } from '../../grants/errors.ts';
import type { DoneStep } from '../../grants/grant-ledger.ts';
import { chainLimits } from '../chain-limits.ts';
import { ChainAsker, type ChainReceipt } from '../reading/chain-answers.ts';
import type { ProviderAnswer } from '../rpc/provider-pool.ts';
import { isPassing, RpcError } from '../rpc/rpc-errors.ts';
import { type Drafts, refusalOfAnswer } from './drafts.ts';
import { currentFees, replacingFees } from './fees.ts';
import type { Intent, IntentStore } from './intent-store.ts';
import type { createMutex } from './mutex.ts';
import { refusalOf } from './refusals.ts';
import type { SenderDependencies, SenderOptions } from './sender-options.ts';
import type { Spending } from './spending.ts';

/** What became of a transaction. `lost`: its nonce was used by another. */
export type Outcome =
  | { readonly kind: 'sealed'; readonly done: DoneStep }
  | { readonly kind: 'refused'; readonly error: LedgerRefusedError }
  | { readonly kind: 'lost' };

interface FollowerDependencies extends SenderDependencies {
  readonly intents: IntentStore;
  readonly spending: Spending;
  readonly drafts: Drafts;
  readonly underLock: ReturnType<typeof createMutex>;
  /** Whether a transaction of this process has the nonce. */
  readonly isTaken: (nonce: number) => boolean;
  /** Uses up a nonce that nobody uses. */
  readonly fill: (nonce: number) => Promise<void>;
}

/** Nonces filled at one look. */
const fillsMax = 16;

/** What one transaction has been through since it is followed. */
interface Journey {
  intent: Intent;
  readonly told: PromiseWithResolvers<Outcome>;
  /** Monotonic milliseconds. Null: not sent in this run. */
  sentAtMs: number | null;
  sentFirstAtMs: number;
  wasAccepted: boolean;
  wasSealed: boolean;
  looksLost: number;
  looksBehindGap: number;
  toldCap: boolean;
}

type Look =
  | { readonly kind: 'sealed'; readonly receipt: ChainReceipt; readonly isFinal: boolean }
  | { readonly kind: 'nonce-used' }
  | { readonly kind: 'waiting'; readonly isTurn: boolean; readonly pendingNonce: number };

/** Sends a written transaction, again and again and with higher fees where need be, until it is there for good or cannot be. */
export class Follower {
  readonly #options: SenderOptions;
  readonly #dependencies: FollowerDependencies;

  constructor(options: SenderOptions, dependencies: FollowerDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** `outcome` settles at the first block that has it, or when it cannot be; `ended` when that is final. Neither needs a listener. */
  follow(intent: Intent, signal: AbortSignal): { readonly outcome: Promise<Outcome>; readonly ended: Promise<void> } {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const told = Promise.withResolvers<Outcome>();
    told.promise.catch(() => {});
    const journey: Journey = {
      intent,
      told,
      sentAtMs: null,
      sentFirstAtMs: nowMs,
      wasAccepted: false,
      wasSealed: false,
      looksLost: 0,
      looksBehindGap: 0,
      toldCap: false,
    };
    const ended = this.#run(journey, signal).catch((error: unknown) => told.reject(error));
    return { outcome: told.promise, ended };
  }

  async #run(journey: Journey, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#dependencies;
    for (;;) {
      signal.throwIfAborted();
      try {
        if (await this.#pass(journey, signal)) return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) {
          logger.error('ledger transaction not followed any more until the next start', errorForLog(error));
          throw error;
        }
        logger.debug('ledger transaction not followed for now', errorForLog(error));
      }
      await sleep(clock, this.#options.confirmPollMs, { signal });
    }
  }

  /** One look and what follows from it. True: it ended. */
  async #pass(journey: Journey, signal: AbortSignal): Promise<boolean> {
    if (journey.sentAtMs === null && (await this.#send(journey, signal))) return true;
    const look = await this.#look(journey.intent, signal);
    if (look.kind === 'sealed') return this.#sealed(journey, look, signal);
    if (look.kind === 'nonce-used') return this.#nonceUsed(journey, signal);
    journey.looksLost = 0;
    if (journey.wasSealed) await this.#putBack(journey, signal);
    else await this.#wait(journey, look, signal);
    return false;
  }

  async #look(intent: Intent, signal: AbortSignal): Promise<Look> {
    const { view } = this.#dependencies;
    return view.use(
      async (asker) => {
        const receipt = await receiptOf(asker, intent);
        if (receipt !== null) {
          const final = await view.finalBlock(asker, await asker.head());
          return { kind: 'sealed', receipt, isFinal: receipt.at <= final.number };
        }
        const nonce = await asker.nonceOf(intent.account, 'latest');
        if (nonce > intent.nonce) return { kind: 'nonce-used' };
        const pendingNonce = await asker.nonceOf(intent.account, 'pending');
        return { kind: 'waiting', isTurn: nonce === intent.nonce, pendingNonce };
      },
      { signal },
    );
  }

  async #sealed(journey: Journey, look: Extract<Look, { kind: 'sealed' }>, signal: AbortSignal): Promise<boolean> {
    const { intent, told } = journey;
    const { receipt, isFinal } = look;
    journey.looksLost = 0;
    if (!receipt.isSuccess) {
      const error = await this.#reasonOf(intent, receipt, signal);
      await this.#end(intent, null, [gasOf(receipt)]);
      told.resolve({ kind: 'refused', error });
      return true;
    }
    const done = { transaction: receipt.transaction, at: receipt.at, gasUsed: receipt.gasUsed };
    // What is final is written as done before anybody is told.
    if (isFinal) {
      const spent = intent.reserved.filter(({ token }) => token !== zeroAddress);
      await this.#end(intent, done, [gasOf(receipt), { token: zeroAddress, amount: intent.call.value }, ...spent]);
    }
    told.resolve({ kind: 'sealed', done });
    journey.wasSealed = true;
    return isFinal;
  }

  /** A reorganisation took the block; the nodes may have dropped the transaction with it. */
  async #putBack(journey: Journey, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#dependencies;
    logger.warn('ledger transaction taken back by a reorganisation: it is sent again', { nonce: journey.intent.nonce });
    journey.wasSealed = false;
    journey.sentFirstAtMs = clock.monotonicMs();
    await this.#send(journey, signal);
  }

  /** Another transaction has the nonce, unless this provider knows the nonce sooner than the receipt: so all are asked, several times. */
  async #nonceUsed(journey: Journey, signal: AbortSignal): Promise<boolean> {
    const { pool, logger, meter } = this.#dependencies;
    journey.looksLost += 1;
    if (journey.looksLost < chainLimits.lostLooksMax) return false;
    const asked = pool.useAll((ask, label) => receiptOf(new ChainAsker(ask, label), journey.intent), { signal });
    const answers = await Promise.all(asked);
    signal.throwIfAborted();
    if (answers.some((answer) => answer.isGiven && answer.value !== null)) return false;
    if (!answers.some((answer) => answer.isGiven)) return false;
    await this.#end(journey.intent, null, []);
    logger.warn('ledger transaction replaced by another of the same account', { nonce: journey.intent.nonce });
    meter.counter('ledger_transactions_lost_total', 'transactions whose nonce went to another').add();
    journey.told.resolve({ kind: 'lost' });
    return true;
  }

  async #wait(journey: Journey, look: Extract<Look, { kind: 'waiting' }>, signal: AbortSignal): Promise<void> {
    const { stuckMs, resendMs } = this.#options;
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (!look.isTurn) await this.#fillGaps(journey, look.pendingNonce);
    if (look.isTurn && nowMs - journey.sentFirstAtMs >= stuckMs) await this.#replace(journey, signal);
    else if (nowMs - (journey.sentAtMs ?? nowMs) >= resendMs) await this.#send(journey, signal);
  }

  /** A nonce before this one that neither the nodes nor this process have: what waits behind it would wait for ever. */
  async #fillGaps(journey: Journey, pendingNonce: number): Promise<void> {
    const { isTaken, fill, logger } = this.#dependencies;
    const until = Math.min(journey.intent.nonce, pendingNonce + fillsMax);
    const missing: number[] = [];
    for (let nonce = pendingNonce; nonce < until; nonce += 1) if (!isTaken(nonce)) missing.push(nonce);
    journey.looksBehindGap = missing.length === 0 ? 0 : journey.looksBehindGap + 1;
    if (journey.looksBehindGap < chainLimits.lostLooksMax) return;
    journey.looksBehindGap = 0;
    logger.warn('ledger account has a gap in its nonces: it is filled', { count: missing.length });
    for (const nonce of missing) await fill(nonce);
  }

  /** True: it cannot be sent and ended. */
  async #send(journey: Journey, signal: AbortSignal): Promise<boolean> {
    const { pool, clock, logger } = this.#dependencies;
    const form = journey.intent.forms.at(-1);
    if (form === undefined) return false;
    const sent = pool.useAll((ask, label) => new ChainAsker(ask, label).send(form.raw), { signal });
    const errors = await errorsUnlessGiven(sent);
    signal.throwIfAborted();
    if (errors.some((error) => error instanceof RpcError && /known|already|imported|nonce/i.test(error.text))) {
      journey.wasAccepted = true;
    } else if (errors.length === 0) {
      journey.wasAccepted = true;
    } else if (!errors.some((error) => error instanceof RpcError)) {
      return false; // nobody was reached: tried again at the next pass
    }
    const isFirst = journey.sentAtMs === null && !journey.wasAccepted;
    journey.sentAtMs = clock.monotonicMs();
    if (!journey.wasAccepted)
      logger.warn('ledger transaction is not taken by any provider', { nonce: journey.intent.nonce });
    const refusal = errors.map(refusalOfAnswer).find((error) => error !== null);
    if (!isFirst || refusal === undefined || journey.intent.forms.length > 1) return false;
    await this.#end(journey.intent, null, []);
    journey.told.resolve({ kind: 'refused', error: refusal });
    return true;
  }

  async #replace(journey: Journey, signal: AbortSignal): Promise<void> {
    const { view, drafts, intents, underLock, logger, clock, meter } = this.#dependencies;
    const { intent } = journey;
    const last = intent.forms.at(-1);
    if (last === undefined || intent.forms.length > chainLimits.replacementsMax) return;
    const now = await view.use(currentFees, { signal });
    const fees = replacingFees(now, last, this.#options.feePerGasMax);
    const replaced = await underLock(async () => {
      const more = fees === null ? null : drafts.reserveMore(intent, fees.feePerGas);
      if (fees === null || more === null) return null;
      const form = await drafts.sign(intent.call, intent.nonce, intent.gas, fees);
      const next: Intent = { ...intent, forms: [...intent.forms, form], reserved: more.reserved };
      await intents.put(next, more.changes);
      return next;
    });
    if (replaced === null) {
      if (!journey.toldCap)
        logger.warn('ledger transaction is stuck, and its fees may not be raised: raise the cap or the spending limit');
      journey.toldCap = true;
      return;
    }
    journey.intent = replaced;
    journey.sentFirstAtMs = clock.monotonicMs();
    logger.info('ledger transaction sent again with higher fees', {
      nonce: intent.nonce,
      forms: replaced.forms.length,
    });
    meter.counter('ledger_transactions_replaced_total', 'transactions sent again with higher fees').add();
    await this.#send(journey, signal);
  }

  /** The contract's reason, by running the call again where it failed; nodes that keep no old state are asked of the newest. */
  async #reasonOf({ call, account }: Intent, receipt: ChainReceipt, signal: AbortSignal): Promise<LedgerRefusedError> {
    const { view } = this.#dependencies;
    for (const tag of [receipt.at, 'latest'] as const) {
      try {
        await view.use((asker) => asker.call({ ...call, from: account }, tag), { signal });
      } catch (error) {
        signal.throwIfAborted();
        const refusal = refusalOfAnswer(error);
        if (refusal !== null) return refusal;
      }
    }
    return refusalOf(null);
  }

  /** `spent`: what stays counted of what was reserved. */
  #end(
    intent: Intent,
    done: DoneStep | null,
    spent: readonly { readonly token: typeof zeroAddress | Intent['account']; readonly amount: bigint }[],
  ) {
    const { intents, spending, underLock } = this.#dependencies;
    return underLock(() => intents.end(intent, done, spending.release(intent.reserved, spent)));
  }
}

function gasOf(receipt: ChainReceipt) {
  return { token: zeroAddress, amount: receipt.gasUsed * receipt.gasPrice };
}

/** None as soon as one provider has taken it; else all errors. A provider that is slow holds nothing up. */
async function errorsUnlessGiven<T>(answers: readonly Promise<ProviderAnswer<T>>[]): Promise<readonly unknown[]> {
  const failures = answers.map(async (answer) => {
    const settled = await answer;
    if (settled.isGiven) throw new TakenSignal();
    return settled.error;
  });
  try {
    return await Promise.all(failures);
  } catch (error) {
    if (error instanceof TakenSignal) return [];
    throw error;
  }
}

/** Ends the waiting for the others. */
class TakenSignal extends Error {}

/** Of any of its forms, the newest first. */
async function receiptOf(asker: ChainAsker, intent: Intent): Promise<ChainReceipt | null> {
  for (const { hash } of intent.forms.toReversed()) {
    const receipt = await asker.receipt(hash);
    if (receipt !== null) return receipt;
  }
  return null;
}
