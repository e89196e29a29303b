import { type Clock, type Logger, sleep, type WaitOptions } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import { keccak256, type TransactionSerializable, zeroAddress } from 'viem';
import { LedgerRefusedError, LedgerUnreachableError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import type { AccountSigner } from '../accounts/local-signer.ts';
import { chainLimits } from '../chain-limits.ts';
import type { ChainView } from '../reading/chain-view.ts';
import { RpcError } from '../rpc/rpc-errors.ts';
import { cappedFees, currentFees, type Fees } from './fees.ts';
import type { Intent, SignedForm } from './intent-store.ts';
import { refusalOf } from './refusals.ts';
import type { Reservation, Spending } from './spending.ts';
import type { PlannedCall } from './steps.ts';

interface DraftDependencies {
  readonly view: ChainView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly spending: Spending;
}

/** Makes signed transactions: gas, fees within the cap, what the spending limit counts. */
export class Drafts {
  readonly #signer: AccountSigner;
  readonly #chainId: number;
  readonly #feePerGasMax: bigint | null;
  readonly #pollMs: number;
  readonly #dependencies: DraftDependencies;

  constructor(
    options: { signer: AccountSigner; chainId: number; feePerGasMax: bigint | null; confirmPollMs: number },
    dependencies: DraftDependencies,
  ) {
    this.#signer = options.signer;
    this.#chainId = options.chainId;
    this.#feePerGasMax = options.feePerGasMax;
    this.#pollMs = options.confirmPollMs;
    this.#dependencies = dependencies;
  }

  /** Gas for a call, found by running it. @throws {LedgerRefusedError} when the contract says no. */
  async gasOf(call: PlannedCall, options: WaitOptions): Promise<bigint> {
    const { to, data, value } = call;
    const from = this.#signer.address;
    try {
      const estimated = await this.#dependencies.view.use(
        (asker) => asker.estimateGas({ to, data, from, value }),
        options,
      );
      const roomy = estimated + estimated / 4n;
      return roomy < chainLimits.transactionGasMax ? roomy : chainLimits.transactionGasMax;
    } catch (error) {
      throw refusalOfAnswer(error) ?? error;
    }
  }

  /** What is asked for now; waits, and says so, while that is above the cap. */
  async fees(options: WaitOptions): Promise<Fees> {
    const { view, clock, logger } = this.#dependencies;
    for (let looks = 0; ; looks += 1) {
      const found = await view.use(currentFees, options);
      const fees = cappedFees(found, this.#feePerGasMax);
      if (fees !== null) return fees;
      if (looks === 0) {
        const fields = { neededWei: String(found.needed), capWei: String(this.#feePerGasMax) };
        logger.warn('ledger fees are above the cap: steps wait until they fall, or until the cap is raised', fields);
      }
      await sleep(clock, this.#pollMs, options);
    }
  }

  /** The account's own coins are checked by the chain. @throws {SpendingLimitError}. */
  reserve(call: PlannedCall, gas: bigint, feePerGas: bigint) {
    return this.#dependencies.spending.reserve(
      [call.spends, { token: zeroAddress, amount: gas * feePerGas }],
      this.#dependencies.clock.now(),
    );
  }

  async sign(call: Intent['call'], nonce: number, gas: bigint, fees: Fees): Promise<SignedForm> {
    const { to, data, value } = call;
    const common = { chainId: this.#chainId, to, data, value, nonce, gas };
    const transaction: TransactionSerializable = fees.isLegacy
      ? { ...common, type: 'legacy', gasPrice: fees.feePerGas }
      : { ...common, type: 'eip1559', maxFeePerGas: fees.feePerGas, maxPriorityFeePerGas: fees.tip };
    const raw = await this.#signer.signTransaction(transaction);
    if (raw.length > 2 + 2 * chainLimits.transactionBytesMax) {
      throw new LedgerRefusedError(
        'too-large',
        'the step is longer than a transaction may be: take fewer grants at once',
      );
    }
    const { feePerGas, tip } = fees;
    return { raw, hash: keccak256(raw), feePerGas, tip, signedMs: this.#dependencies.clock.now() };
  }

  /** More for the same step: the difference is counted too. Null: the limit does not allow it. */
  reserveMore(
    intent: Intent,
    feePerGas: bigint,
  ): { reserved: readonly Reservation[]; changes: readonly TableChange[] } | null {
    const { clock, spending } = this.#dependencies;
    const before = intent.forms.at(-1)?.feePerGas ?? 0n;
    try {
      const more = spending.reserve([{ token: zeroAddress, amount: intent.gas * (feePerGas - before) }], clock.now());
      return { reserved: [...intent.reserved, ...more.reserved], changes: more.changes };
    } catch {
      return null;
    }
  }
}

/** What an answer of a provider says about the call itself; null: nothing, the provider failed. */
export function refusalOfAnswer(error: unknown): LedgerRefusedError | null {
  const answer = error instanceof LedgerUnreachableError ? error.cause : error;
  if (!(answer instanceof RpcError)) return null;
  if (/insufficient (funds|(sender )?balance)|upfront cost|exceeds? (the )?balance|OutOfFunds/i.test(answer.text)) {
    return new LedgerRefusedError(
      'insufficient-funds',
      'the account has too few coins for the step and its gas: send it some',
      {
        cause: error,
        retryable: true,
      },
    );
  }
  return answer.isRevert ? refusalOf(answer.data, error) : null;
}

/** An account of the same store: only its nonce is used up. */
export function fillerCall(account: Hex): PlannedCall {
  return { to: account, data: '0x', value: 0n, spends: { token: zeroAddress, amount: 0n } };
}
