import type { WaitOptions } from '@pulsemesh/base';
import { concat, decodeFunctionResult, encodeFunctionData, hexToBigInt, keccak256, padHex, zeroAddress } from 'viem';
import { consentLedgerAbi as abi, domainOf, offerIdOf, purseOf } from '../../contract/index.ts';
import { LedgerRefusedError } from '../../grants/errors.ts';
import type { DoneStep, GrantStatus, LedgerEvent, LedgerStep } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import { findLog } from '../events/range-logs.ts';
import type { ChainAsker, ChainLog } from '../reading/chain-answers.ts';
import type { ChainView, ContractPlace } from '../reading/chain-view.ts';
import { eventOf, grantStatuses, topicOf } from '../reading/contract-events.ts';
import { createMutex } from './mutex.ts';
import type { Sender } from './sender.ts';
import { allowanceData, keyOfStep, offersOf, onlyOpen, type PlannedCall, planApproval, planStep } from './steps.ts';

export interface StepPerformerOptions extends ContractPlace {
  readonly account: Hex;
  /** No event of the contract is before this block. */
  readonly fromBlock: bigint;
}

/** Statuses from which a step leads on: there it cannot have been done, so that no event needs to be looked for. */
const before: Readonly<Record<GrantStepName, readonly GrantStatus[]>> = {
  purchase: ['none'],
  confirm: ['none', 'funded'],
  deliver: ['none', 'funded'],
  settle: ['none', 'funded', 'delivered'],
  dispute: ['none', 'funded', 'delivered'],
  resolve: ['none', 'funded', 'delivered', 'disputed'],
  refund: ['none', 'funded'],
  revoke: ['none', 'funded', 'delivered', 'disputed', 'active'],
};

const eventOfStep = {
  purchase: 'Purchased',
  confirm: 'Confirmed',
  deliver: 'Delivered',
  settle: 'Confirmed',
  dispute: 'Disputed',
  resolve: 'Ended',
  refund: 'Ended',
  revoke: 'Ended',
} as const;

type GrantStepName = keyof typeof eventOfStep;

/** Does steps, each once: what is there already is found by its effect. */
export class StepPerformer {
  readonly #options: StepPerformerOptions;
  readonly #view: ChainView;
  readonly #sender: Sender;
  /** Approvals of a token overwrite each other: from one to its purchase nothing else may come between. */
  readonly #tokenLock = createMutex();

  constructor(options: StepPerformerOptions, { view, sender }: { readonly view: ChainView; readonly sender: Sender }) {
    this.#options = options;
    this.#view = view;
    this.#sender = sender;
  }

  async perform(step: LedgerStep, wait: WaitOptions): Promise<DoneStep> {
    const { chainId, contract } = this.#options;
    const key = keyOfStep(step, chainId, contract);
    planStep(step, contract); // refuses what needs no chain
    for (let attempt = 0; attempt < chainLimits.attemptsMax; attempt += 1) {
      const found = this.#sender.isUnderWay(key) ? step : await this.#openOrDone(step, key, wait);
      if ('transaction' in found) return found;
      const done = await this.#submit(key, found, wait);
      if (done !== 'lost') return done;
    }
    const why = 'another program uses the account at the same time: give this process an account of its own';
    throw new LedgerRefusedError('nonce-contended', why, { retryable: true });
  }

  #submit(key: Hex, step: LedgerStep, wait: WaitOptions): Promise<DoneStep | 'lost'> {
    const call = planStep(step, this.#options.contract);
    const { token, amount } = call.spends;
    const send = async () => {
      try {
        return await this.#sender.submit(key, () => call, wait);
      } catch (error) {
        // Somebody else may have done it between the look and the sending.
        const found = error instanceof LedgerRefusedError ? await this.#openOrDone(step, key, wait) : step;
        if ('transaction' in found) return found;
        throw error;
      }
    };
    if (token === zeroAddress || amount === 0n) return send();
    return this.#tokenLock(async () => {
      await this.#approve(key, call, wait);
      return send();
    });
  }

  async #approve(key: Hex, { spends }: PlannedCall, wait: WaitOptions): Promise<void> {
    const { account, contract } = this.#options;
    const data = allowanceData(account, contract);
    const allowance = async () =>
      hexToBigInt(await this.#view.use((asker) => asker.call({ to: spends.token, data }, 'latest'), wait), {
        size: 32,
      });
    for (let attempt = 0; attempt < chainLimits.attemptsMax; attempt += 1) {
      if ((await allowance()) >= spends.amount) return;
      // Each approval is a transaction of its own, so that an old one that was used up is not taken for a new one.
      const nonce = await this.#view.use((asker) => asker.nonceOf(account, 'latest'), wait);
      const approvalKey = keccak256(concat([key, padHex(`0x${nonce.toString(16)}`, { size: 32 })]));
      await this.#sender.submit(approvalKey, () => planApproval(spends.token, contract, spends.amount), wait);
    }
    if ((await allowance()) < spends.amount) {
      throw new LedgerRefusedError('approval', 'the token does not let the contract take the price');
    }
  }

  /** What of the step is still to be done, or what did it. */
  async #openOrDone(step: LedgerStep, key: Hex, wait: WaitOptions): Promise<LedgerStep | DoneStep> {
    const remembered = this.#sender.doneOf(key);
    if (remembered !== null) return remembered;
    return this.#view.use(async (asker) => {
      // An old head does no harm here: what is found is there, and of what is not the chain decides.
      const head = await asker.head();
      const offers = offersOf(step);
      if (offers.length === 0) return (await this.#doneWithoutGrant(asker, step, head.number)) ?? step;
      const { chainId, contract } = this.#options;
      const domain = domainOf(chainId, contract);
      const name = step.step as GrantStepName; // those are the steps with offers
      const logs: (ChainLog | null)[] = [];
      for (const offer of offers) logs.push(await this.#grantLog(asker, name, offerIdOf(offer, domain), head.number));
      const last = logs.findLast((log) => log !== null) ?? null;
      if (last === null || logs.includes(null))
        return onlyOpen(
          step,
          logs.map((log) => log === null),
        );
      return doneOf(asker, last);
    }, wait);
  }

  async #grantLog(asker: ChainAsker, name: GrantStepName, grantId: Hex, until: bigint): Promise<ChainLog | null> {
    const { contract, fromBlock } = this.#options;
    const data = encodeFunctionData({ abi, functionName: 'stateOf', args: [grantId] });
    const [status] = decodeFunctionResult({
      abi,
      functionName: 'stateOf',
      data: await asker.call({ to: contract, data }, 'latest'),
    });
    const known = grantStatuses[status];
    if (known === undefined || before[name].includes(known)) return null;
    const filter = { address: contract, from: fromBlock, until, topics: [topicOf(eventOfStep[name]), grantId] };
    return findLog(asker, filter, (log) => isEffect(name, eventOf(log, 0)));
  }

  /** Steps that leave only an event. */
  async #doneWithoutGrant(asker: ChainAsker, step: LedgerStep, until: bigint): Promise<DoneStep | null> {
    const { contract, fromBlock, account } = this.#options;
    const all = { address: contract, from: fromBlock, until };
    const own = padHex(account, { size: 32 });
    const find = async (topics: readonly (Hex | null)[], isIt: (event: LedgerEvent | null) => boolean) => {
      const log = await findLog(asker, { ...all, topics }, (one) => isIt(eventOf(one, 0)));
      return log === null ? null : doneOf(asker, log);
    };
    switch (step.step) {
      case 'anchor':
        return find([topicOf('Anchored'), own], (event) => {
          const isSameHead = event?.kind === 'anchored' && event.root === step.root && event.count === step.count;
          return isSameHead && event.previous === step.previous;
        });
      case 'log-access':
        return find([topicOf('Accessed'), step.grantId, own], (event) => {
          return event?.kind === 'accessed' && event.entry === step.entry;
        });
      case 'withdraw': {
        const payee = purseOf(step.signer);
        if ((await this.#withdrawalNonce(asker, payee, step.token)) <= step.nonce) return null;
        return find([topicOf('Withdrawn')], (event) => {
          const isPayee = event?.kind === 'withdrawn' && event.payee.toLowerCase() === payee.toLowerCase();
          return isPayee && event.token.toLowerCase() === step.token.toLowerCase() && event.amount === step.amount;
        });
      }
      default:
        return null;
    }
  }

  async #withdrawalNonce(asker: ChainAsker, payee: Hex, token: Hex): Promise<bigint> {
    const data = encodeFunctionData({ abi, functionName: 'nonceOf', args: [token, payee] });
    const answer = await asker.call({ to: this.#options.contract, data }, 'latest');
    return decodeFunctionResult({ abi, functionName: 'nonceOf', data: answer });
  }
}

/** A grant that was closed was not revoked, and the other way round. */
function isEffect(name: GrantStepName, event: LedgerEvent | null): boolean {
  if (event?.kind !== 'ended') return event !== null;
  return (event.status === 'revoked') === (name === 'revoke');
}

async function doneOf(asker: ChainAsker, log: ChainLog): Promise<DoneStep> {
  const receipt = await asker.receipt(log.transaction);
  return { transaction: log.transaction, at: log.at, gasUsed: receipt?.gasUsed ?? 0n };
}
