import { createP256Key, createSecp256k1Key, isP256PublicKey } from '@pulsemesh/crypto';
import { fromHex, toHex } from '@pulsemesh/wire';
import {
  type ConsentDomain,
  offerIdOf,
  type Receipt,
  receiptDigestOf,
  revocationDigestOf,
  type Withdrawal,
  withdrawalDigestOf,
} from '../contract/typed-data.ts';
import { OfferMalformedError } from './errors.ts';
import type { GrantKey } from './grant-key.ts';
import type { Hex, Offer, SignedOffer } from './offer.ts';

/** Whoever signs for the consent contract. */
export interface LedgerSigner {
  /** ERC-7913: 20 bytes are an account; longer ones a verifier's address and a key. */
  readonly signer: Hex;
  /** The contract's form of a signature over a 32-byte digest. */
  sign(digest: Hex): Promise<Hex>;
}

/** An account whose key is at hand, such as a grant's own (`grantKeyOf`). Signatures are r ‖ s ‖ v, s in the lower half. */
export function accountSigner({ privateKey, signer }: GrantKey): LedgerSigner {
  const key = createSecp256k1Key(fromHex(privateKey.slice(2), 32));
  return {
    signer,
    async sign(digest) {
      const signature = key.signDigest(fromHex(digest.slice(2), 32));
      const v = 27 + (signature[64] as number);
      return `0x${toHex(signature.with(64, v))}`;
    },
  };
}

/** A P-256 key whose private scalar (32 bytes) is at hand, checked on chain by `verifier`. */
export function p256Signer(privateKey: Uint8Array, verifier: Hex): LedgerSigner {
  const key = createP256Key(privateKey);
  return {
    signer: keySignerOf(verifier, key.publicKey),
    async sign(digest) {
      return `0x${toHex(key.signDigest(fromHex(digest.slice(2), 32)))}`;
    },
  };
}

/**
 * The ERC-7913 bytes of a P-256 key or passkey: its verifier's address, then x and y.
 * @throws {OfferMalformedError} unless the key is an uncompressed point of P-256.
 */
export function keySignerOf(verifier: Hex, publicKey: Uint8Array): Hex {
  if (!isP256PublicKey(publicKey)) throw new OfferMalformedError('public key');
  return `0x${verifier.slice(2)}${toHex(publicKey.subarray(1))}`;
}

/** Signs an offer. The signer has to be the one that it names. @throws {OfferMalformedError} otherwise. */
export async function signOffer(offer: Offer, domain: ConsentDomain, signer: LedgerSigner): Promise<SignedOffer> {
  if (offer.patient !== signer.signer) throw new OfferMalformedError('patient');
  const grantId = offerIdOf(offer, domain);
  return { offer, grantId, signature: await signer.sign(grantId) };
}

/** The patient's word that consent to a grant ends. */
export function signRevocation(grantId: Hex, domain: ConsentDomain, signer: LedgerSigner): Promise<Hex> {
  return signer.sign(revocationDigestOf({ offer: grantId }, domain));
}

/** The word of a purse's signer that it pays. @throws {OfferMalformedError} for the purse of another signer. */
export async function signWithdrawal(
  withdrawal: Withdrawal,
  domain: ConsentDomain,
  signer: LedgerSigner,
): Promise<Hex> {
  if (withdrawal.signer !== signer.signer) throw new OfferMalformedError('signer');
  return signer.sign(withdrawalDigestOf(withdrawal, domain));
}

/** The buyer's word that the key opened. */
export function signReceipt(receipt: Receipt, domain: ConsentDomain, signer: LedgerSigner): Promise<Hex> {
  return signer.sign(receiptDigestOf(receipt, domain));
}
