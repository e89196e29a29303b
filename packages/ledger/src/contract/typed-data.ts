import { type Address, getAddress, hashTypedData, keccak256, slice, type TypedDataDomain } from 'viem';
import type { Hex, Offer } from '../offer/offer.ts';

/** EIP-712 types of everything that is signed for the contract, as `ConsentLedger.sol` hashes them; the shape is viem's. */
export const consentTypes = {
  Offer: [
    { name: 'patient', type: 'bytes' },
    { name: 'payee', type: 'address' },
    { name: 'buyer', type: 'address' },
    { name: 'custodian', type: 'address' },
    { name: 'arbiter', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'price', type: 'uint96' },
    { name: 'validUntil', type: 'uint40' },
    { name: 'deliverWithin', type: 'uint32' },
    { name: 'accessFor', type: 'uint32' },
    { name: 'terms', type: 'bytes32' },
    { name: 'nonce', type: 'bytes32' },
  ],
  Receipt: [
    { name: 'offer', type: 'bytes32' },
    { name: 'delivery', type: 'bytes32' },
  ],
  Revocation: [{ name: 'offer', type: 'bytes32' }],
  Withdrawal: [
    { name: 'signer', type: 'bytes' },
    { name: 'token', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'until', type: 'uint40' },
  ],
} as const;

/** The buyer's word that the key opened. */
export interface Receipt {
  /** The grant's id. */
  readonly offer: Hex;
  /** What was received: 32 bytes, kept in the ledger's event only. */
  readonly delivery: Hex;
}

/** The patient's word that consent ends. */
export interface Revocation {
  /** The grant's id. */
  readonly offer: Hex;
}

/** A signer's word that its purse pays. */
export interface Withdrawal {
  /** ERC-7913 signer whose purse it is. */
  readonly signer: Hex;
  /** Zero address: the chain's own coin. */
  readonly token: Hex;
  readonly to: Hex;
  /** Whole units. */
  readonly amount: bigint;
  /** `nonceOf(token, purseOf(signer))` of the contract: each signature works once. */
  readonly nonce: bigint;
  /** Seconds since 1970 after which it is void. */
  readonly until: number;
}

/** EIP-712 domain of one deployment: a signature for one chain or contract is worth nothing on another. */
export function domainOf(chainId: number, contract: Hex) {
  return {
    name: 'Pulsemesh ConsentLedger',
    version: '1',
    chainId,
    verifyingContract: contract,
  } as const satisfies TypedDataDomain;
}

/** Domain of one deployment, as `domainOf` makes it. */
export type ConsentDomain = ReturnType<typeof domainOf>;

/** The digest that the patient signs and that is the grant's id (`offerId` of the contract). */
export function offerIdOf(offer: Offer, domain: ConsentDomain): Hex {
  return hashTypedData({ domain, types: consentTypes, primaryType: 'Offer', message: offer });
}

/** The digest that the buyer signs. */
export function receiptDigestOf(receipt: Receipt, domain: ConsentDomain): Hex {
  return hashTypedData({ domain, types: consentTypes, primaryType: 'Receipt', message: receipt });
}

/** The digest by which the patient withdraws consent. */
export function revocationDigestOf(revocation: Revocation, domain: ConsentDomain): Hex {
  return hashTypedData({ domain, types: consentTypes, primaryType: 'Revocation', message: revocation });
}

/** The digest by which a purse is drawn on. */
export function withdrawalDigestOf(withdrawal: Withdrawal, domain: ConsentDomain): Hex {
  return hashTypedData({ domain, types: consentTypes, primaryType: 'Withdrawal', message: withdrawal });
}

/**
 * The payee that only a signature of `signer` withdraws for: the first 20 bytes of Keccak-256 of the signer's bytes, with EIP-55
 * capitals. It is nobody's account, so nothing but an offer's price may be sent there.
 */
export function purseOf(signer: Hex): Address {
  return getAddress(slice(keccak256(signer), 0, 20));
}
