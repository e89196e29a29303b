import { decodeErrorResult } from 'viem';
import { consentLedgerAbi } from '../../contract/index.ts';
import { LedgerRefusedError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import { grantStatuses } from '../reading/contract-events.ts';

/** Each error of the contract in words for whoever asked for the step. */
const words: Readonly<Record<string, string>> = {
  NotBuyer: 'the offer names another buyer than this account',
  NotPatient: 'this account is not the patient that the offer names',
  NotCustodian: 'the offer names another custodian than this account',
  NotArbiter: 'the offer names another arbiter than this account',
  WrongStatus: 'the grant stands elsewhere than this step needs',
  WrongSignature: 'the signature is not over this grant, this contract and this chain by the one who must sign',
  OfferExpired: 'the offer is past its date: ask again',
  WindowTooShort: 'the offer gives less than 15 minutes to deliver or to read',
  TooEarly: 'the time that must pass before this step is not over',
  TooLate: 'the time for this step is over',
  NoArbiter: 'the offer names no arbiter, so nothing can be disputed',
  MoreThanPrice: 'more would go to the buyer than the price',
  WrongPayment: 'what was paid, or what the token moved, is not the price',
  MixedTokens: 'one purchase is paid in one token: buy them one after another',
  LengthMismatch: 'the lists of the step are not of one length',
  NothingToWithdraw: 'there is nothing to withdraw',
  MoreThanCredit: 'more is asked than is credited',
  IsPurse: 'a purse pays only by its signer’s signature',
  WrongNonce: 'this withdrawal was used, or another went before it: sign again',
  WithdrawalExpired: 'the withdrawal is past its date: sign again',
  BadRecipient: 'the money would go where nobody could spend it',
  TransferFailed: 'the recipient’s account does not take the money',
  ReentrancyGuardReentrantCall: 'a contract that the step calls calls back',
  SafeERC20FailedOperation:
    'the token does not move the price: there is too little of it, or it is blocked for this account',
  'execution-reverted': 'a contract that the step calls does not agree and does not say why',
};

/** What a revert's data says; null: nothing. */
export function refusalOf(data: Hex | null, cause?: unknown): LedgerRefusedError {
  const { reason, facts } = decoded(data);
  return new LedgerRefusedError(reason, words[reason] ?? `the contract says ${reason}`, { facts, cause });
}

function decoded(data: Hex | null): { readonly reason: string; readonly facts: Record<string, string> } {
  const unknown = { reason: 'execution-reverted', facts: {} };
  if (data === null) return unknown;
  try {
    const { errorName, abiItem, args } = decodeErrorResult({ abi: consentLedgerAbi, data });
    if (!('inputs' in abiItem) || (errorName as string) === 'Error' || (errorName as string) === 'Panic')
      return unknown;
    const facts: Record<string, string> = {};
    const inputs: readonly { readonly name?: string; readonly type: string }[] = abiItem.inputs;
    for (const [index, { name, type }] of inputs.entries()) {
      const value: unknown = args?.[index];
      if (name === 'status') facts['status'] = grantStatuses[Number(value)] ?? 'unknown';
      else if (name && type.startsWith('uint')) facts[name] = String(value);
    }
    return { reason: errorName, facts };
  } catch {
    return unknown; // another contract's error
  }
}
