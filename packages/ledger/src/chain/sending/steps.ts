import { encodeFunctionData, keccak256, stringToBytes, zeroAddress } from 'viem';
import { consentLedgerAbi as abi } from '../../contract/index.ts';
import { LedgerRefusedError } from '../../grants/errors.ts';
import type { LedgerStep } from '../../grants/grant-ledger.ts';
import type { Hex, Offer } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';

/** One transaction to be made. */
export interface PlannedCall {
  readonly to: Hex;
  readonly data: Hex;
  /** Coins sent along. */
  readonly value: bigint;
  /** What leaves the account by it, beside gas. */
  readonly spends: { readonly token: Hex; readonly amount: bigint };
}

type PurchaseStep = Extract<LedgerStep, { step: 'purchase' }>;
type ConfirmStep = Extract<LedgerStep, { step: 'confirm' }>;

/** Grants that a step moves: where they stand tells whether it is done. None for steps that leave only an event. */
export function offersOf(step: LedgerStep): readonly Offer[] {
  switch (step.step) {
    case 'purchase':
    case 'confirm':
      return step.grants.map((grant) => grant.offer);
    case 'withdraw':
    case 'anchor':
    case 'log-access':
      return [];
    default:
      return [step.offer];
  }
}

/** The step with only those grants at which it is not done yet; `isOpen` by place in {@link offersOf}. */
export function onlyOpen(step: LedgerStep, isOpen: readonly boolean[]): LedgerStep {
  if (step.step === 'purchase') return { ...step, grants: step.grants.filter((_, index) => isOpen[index]) };
  if (step.step === 'confirm') return { ...step, grants: step.grants.filter((_, index) => isOpen[index]) };
  return step;
}

/** Names a step on one contract: the same content has the same key, so that repeating it finds what it did. */
export function keyOfStep(step: LedgerStep, chainId: number, contract: Hex): Hex {
  const text = JSON.stringify([chainId, contract, step], (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  // Hex and addresses mean the same in capitals.
  return keccak256(stringToBytes(text.toLowerCase()));
}

/** @throws {LedgerRefusedError} for what no contract needs to be asked. */
export function planStep(step: LedgerStep, contract: Hex): PlannedCall {
  const count = offersOf(step).length;
  if (count > chainLimits.grantsPerStepMax) {
    const why = `one step takes ${chainLimits.grantsPerStepMax} grants: send several`;
    throw new LedgerRefusedError('too-many-grants', why, { facts: { count } });
  }
  if (step.step === 'purchase') return planPurchase(step, contract);
  return { to: contract, data: dataOf(step), value: 0n, spends: { token: zeroAddress, amount: 0n } };
}

function dataOf(step: Exclude<LedgerStep, PurchaseStep>): Hex {
  switch (step.step) {
    case 'confirm':
      return confirmData(step);
    case 'deliver':
      return encodeFunctionData({ abi, functionName: 'deliverOnChain', args: [step.offer, step.wrapped] });
    case 'settle':
    case 'refund':
    case 'dispute':
      return encodeFunctionData({ abi, functionName: step.step, args: [step.offer] });
    case 'resolve':
      return encodeFunctionData({ abi, functionName: 'resolve', args: [step.offer, step.toBuyer] });
    case 'revoke':
      return revokeData(step.offer, step.signature);
    case 'withdraw': {
      const { signer, token, to, amount, nonce, until, signature } = step;
      const args = [signer, token, to, amount, nonce, until, signature] as const;
      return encodeFunctionData({ abi, functionName: 'withdrawBySignature', args });
    }
    case 'anchor':
      return encodeFunctionData({ abi, functionName: 'anchor', args: [step.previous, step.root, step.count] });
    case 'log-access':
      return encodeFunctionData({ abi, functionName: 'logAccess', args: [step.grantId, step.entry] });
  }
}

/** An empty signature: the account itself is the patient. */
function revokeData(offer: Offer, signature: Hex): Hex {
  return signature === '0x'
    ? encodeFunctionData({ abi, functionName: 'revoke', args: [offer] })
    : encodeFunctionData({ abi, functionName: 'revokeBySignature', args: [offer, signature] });
}

function planPurchase({ grants }: PurchaseStep, contract: Hex): PlannedCall {
  const first = firstOf(grants);
  const { token } = first.offer;
  if (grants.some(({ offer }) => offer.token.toLowerCase() !== token.toLowerCase())) {
    throw new LedgerRefusedError('MixedTokens', 'one purchase is paid in one token: buy them one after another');
  }
  const amount = grants.reduce((sum, { offer }) => sum + offer.price, 0n);
  const offers = grants.map(({ offer }) => offer);
  const signatures = grants.map(({ signature }) => signature);
  const data =
    grants.length === 1
      ? encodeFunctionData({ abi, functionName: 'purchase', args: [first.offer, first.signature] })
      : encodeFunctionData({ abi, functionName: 'purchaseMany', args: [offers, signatures] });
  return { to: contract, data, value: token === zeroAddress ? amount : 0n, spends: { token, amount } };
}

function confirmData({ grants }: ConfirmStep): Hex {
  const first = firstOf(grants);
  if (grants.length === 1) {
    const args = [first.offer, first.delivery, first.receipt] as const;
    return encodeFunctionData({ abi, functionName: 'confirm', args });
  }
  const offers = grants.map(({ offer }) => offer);
  const deliveries = grants.map(({ delivery }) => delivery);
  const receipts = grants.map(({ receipt }) => receipt);
  return encodeFunctionData({ abi, functionName: 'confirmMany', args: [offers, deliveries, receipts] });
}

function firstOf<T>(grants: readonly T[]): T {
  const [first] = grants;
  if (first === undefined) throw new LedgerRefusedError('nothing-to-do', 'the step names no grant');
  return first;
}

const tokenAbi = [
  {
    name: 'approve',
    type: 'function',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'spender', type: 'address' },
      { name: 'amount', type: 'uint256' },
    ],
    outputs: [{ name: '', type: 'bool' }],
  },
  {
    name: 'allowance',
    type: 'function',
    stateMutability: 'view',
    inputs: [
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
    ],
    outputs: [{ name: '', type: 'uint256' }],
  },
] as const;

/** Lets the contract take exactly `amount` of an ERC-20 token. */
export function planApproval(token: Hex, contract: Hex, amount: bigint): PlannedCall {
  const data = encodeFunctionData({ abi: tokenAbi, functionName: 'approve', args: [contract, amount] });
  return { to: token, data, value: 0n, spends: { token: zeroAddress, amount: 0n } };
}

/** Asks a token what the contract may take. */
export function allowanceData(owner: Hex, contract: Hex): Hex {
  return encodeFunctionData({ abi: tokenAbi, functionName: 'allowance', args: [owner, contract] });
}
