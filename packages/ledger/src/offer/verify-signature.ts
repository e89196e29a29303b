import { isP256PublicKey, p256LowerSignature, sha256, verifyP256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes, fromHex } from '@pulsemesh/wire';
import { decodeAbiParameters, recoverAddress } from 'viem/utils';
import {
  type ConsentDomain,
  offerIdOf,
  type Receipt,
  receiptDigestOf,
  revocationDigestOf,
  type Withdrawal,
  withdrawalDigestOf,
} from '../contract/typed-data.ts';
import { toBase64Url } from './base64url.ts';
import type { Hex, Offer, SignedOffer } from './offer.ts';
import { offerLimits } from './offer-fields.ts';
import { encodePasskeySignature, passkeyLimits, passkeySignatureFields, typeText } from './passkey-signature.ts';

/**
 * What can be said of a signature without the chain. `ask-chain`: the signer may be a contract account, or names a verifier that is not
 * known here; the contract's own check decides.
 */
export type SignatureVerdict = 'valid' | 'invalid' | 'ask-chain';

/** Deployed ERC-7913 verifiers, lower-case; null: there is none on this ledger. */
export interface SignatureVerifiers {
  readonly p256: Hex | null;
  readonly webAuthn: Hex | null;
}

/** A signature, by whom and over what. */
export interface SignatureClaim {
  /** ERC-7913 bytes. */
  readonly signer: Hex;
  /** 32 bytes. */
  readonly digest: Hex;
  readonly signature: Hex;
}

/** Bytes of a signature that are looked at; longer ones are nobody's. */
const signatureBytesMax = 8_192;
// Half the order of secp256k1: contracts refuse what lies above (EIP-2).
const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Checks a signature as the contract would, as far as that goes without it. Never throws for what it is given. */
export async function verifySignatureOf(
  claim: SignatureClaim,
  verifiers: SignatureVerifiers,
): Promise<SignatureVerdict> {
  const { signer, signature } = claim;
  if (!isHex(signer, offerLimits.signerBytesMax) || !isHex(signature, signatureBytesMax)) return 'invalid';
  const bytes = (signer.length - 2) / 2;
  if (bytes < offerLimits.signerBytesMin) return 'invalid';
  if (bytes === offerLimits.signerBytesMin) return (await isOfAccount(claim)) ? 'valid' : 'ask-chain';
  const verifier = signer.slice(0, 42);
  const isPasskey = verifier === verifiers.webAuthn;
  if (!isPasskey && verifier !== verifiers.p256) return 'ask-chain';
  const publicKey = Uint8Array.of(4, ...fromHex(signer.slice(42)));
  if (!isP256PublicKey(publicKey)) return 'invalid';
  const digest = fromHex(claim.digest.slice(2), 32);
  const isValid = isPasskey ? isOfPasskey(publicKey, digest, signature) : isOfP256(publicKey, digest, signature);
  return isValid ? 'valid' : 'invalid';
}

/** Whether the offer's id is its own for this deployment, and its patient's signature over it. */
export async function verifyOfferSignature(
  signed: SignedOffer,
  domain: ConsentDomain,
  verifiers: SignatureVerifiers,
): Promise<SignatureVerdict> {
  if (offerIdOf(signed.offer, domain) !== signed.grantId) return 'invalid';
  const { grantId, signature } = signed;
  return verifySignatureOf({ signer: signed.offer.patient, digest: grantId, signature }, verifiers);
}

/** The patient's signature that withdraws consent to an offer. */
export function verifyRevocation(
  { offer, signature }: { readonly offer: Offer; readonly signature: Hex },
  domain: ConsentDomain,
  verifiers: SignatureVerifiers,
): Promise<SignatureVerdict> {
  const digest = revocationDigestOf({ offer: offerIdOf(offer, domain) }, domain);
  return verifySignatureOf({ signer: offer.patient, digest, signature }, verifiers);
}

/** The signature of a purse's signer that it pays. */
export function verifyWithdrawal(
  { withdrawal, signature }: { readonly withdrawal: Withdrawal; readonly signature: Hex },
  domain: ConsentDomain,
  verifiers: SignatureVerifiers,
): Promise<SignatureVerdict> {
  const digest = withdrawalDigestOf(withdrawal, domain);
  return verifySignatureOf({ signer: withdrawal.signer, digest, signature }, verifiers);
}

/** The buyer's signature that the key opened. */
export function verifyReceipt(
  { buyer, receipt, signature }: { readonly buyer: Hex; readonly receipt: Receipt; readonly signature: Hex },
  domain: ConsentDomain,
): Promise<SignatureVerdict> {
  const digest = receiptDigestOf(receipt, domain);
  return verifySignatureOf({ signer: buyer, digest, signature }, { p256: null, webAuthn: null });
}

function isHex(text: string, bytesMax: number): boolean {
  return text.length <= 2 + 2 * bytesMax && text.length % 2 === 0 && /^0x[0-9a-f]*$/.test(text);
}

/** 65 bytes, s in the lower half, v 27 or 28: what OpenZeppelin's ECDSA takes. */
async function isOfAccount({ signer, digest, signature }: SignatureClaim): Promise<boolean> {
  if (signature.length !== 2 + 2 * 65 || !/(1b|1c)$/.test(signature)) return false;
  if (BigInt(`0x${signature.slice(66, 130)}`) > halfOrder) return false;
  try {
    return (await recoverAddress({ hash: digest, signature })).toLowerCase() === signer;
  } catch {
    return false; // r or s is no number of the curve
  }
}

/** At least 64 bytes, of which the contract's verifier reads the first ones; more than 64 are nobody's work. */
function isOfP256(publicKey: Uint8Array, digest: Uint8Array, signature: Hex): boolean {
  const bytes = fromHex(signature.slice(2));
  return isLower(bytes) && verifyP256(publicKey, digest, bytes);
}

function isLower(signature: Uint8Array): boolean {
  const lower = p256LowerSignature(signature);
  return lower !== null && equalBytes(lower, signature);
}

/** As `WebAuthn.verify` of OpenZeppelin's contracts: no origin, no counter; these are `verifyAssertion`'s, at home. */
function isOfPasskey(publicKey: Uint8Array, digest: Uint8Array, signature: Hex): boolean {
  const parts = decodePasskeySignature(signature);
  if (parts === null) return false;
  const { authenticatorData, clientData, typeIndex, challengeIndex } = parts;
  const text = String.fromCharCode(...clientData);
  const challengeText = `"challenge":"${toBase64Url(digest)}"`;
  if (!text.startsWith(typeText, typeIndex) || !text.startsWith(challengeText, challengeIndex)) return false;
  const flags = authenticatorData[32] ?? 0;
  // User present, user verified; backed up only where that was possible.
  if (authenticatorData.length < 37 || (flags & 0x05) !== 0x05 || (flags & 0x18) === 0x10) return false;
  const signed = sha256(concatBytes(authenticatorData, sha256(clientData)));
  return isLower(parts.signature) && verifyP256(publicKey, signed, parts.signature);
}

/** Null for what is not encoded exactly as `passkeySignature` does it: then the contract reads the same parts. */
function decodePasskeySignature(encoded: Hex) {
  try {
    const [r, s, challengeIndex, typeIndex, authenticatorData, clientData] = decodeAbiParameters(
      passkeySignatureFields,
      encoded,
    );
    const parts = {
      signature: concatBytes(fromHex(r.slice(2), 32), fromHex(s.slice(2), 32)),
      challengeIndex: Number(challengeIndex),
      typeIndex: Number(typeIndex),
      authenticatorData: fromHex(authenticatorData.slice(2)),
      clientData: fromHex(clientData.slice(2)),
    };
    const isSmall =
      parts.clientData.length <= passkeyLimits.clientDataBytesMax &&
      parts.authenticatorData.length <= passkeyLimits.authenticatorDataBytesMax;
    if (!isSmall || challengeIndex > BigInt(2 ** 31) || typeIndex > BigInt(2 ** 31)) return null;
    const again = encodePasskeySignature(parts, parts.challengeIndex, parts.typeIndex);
    return again === encoded ? parts : null;
  } catch {
    return null; // cut, or offsets that point nowhere
  }
}
