import { p256SignatureOfDer } from '@pulsemesh/crypto';
import { DecodeError, toHex } from '@pulsemesh/wire';
import { encodeAbiParameters } from 'viem/utils';
import { fromBase64Url } from './base64url.ts';
import { PasskeyRefusedError } from './errors.ts';
import type { Hex } from './offer.ts';

/** A passkey's answer, each field base64url as browsers give it. */
export interface PasskeyAnswer {
  readonly authenticatorData: string;
  readonly clientData: string;
  /** ECDSA in DER. */
  readonly signature: string;
}

/** Limits of a passkey's answer; real ones have some hundred bytes. */
export const passkeyLimits = {
  credentialIdBytesMax: 1_023,
  authenticatorDataBytesMax: 1_024,
  clientDataBytesMax: 2_048,
  signatureBytesMax: 72,
} as const;

/** A passkey's answer as bytes. */
export interface PasskeyParts {
  readonly authenticatorData: Uint8Array;
  readonly clientData: Uint8Array;
  /** r ‖ s, s in the lower half. */
  readonly signature: Uint8Array;
}

/** @throws {PasskeyRefusedError} for an answer of another form. */
export function partsOf(answer: PasskeyAnswer): PasskeyParts {
  try {
    const authenticatorData = fromBase64Url(answer.authenticatorData, passkeyLimits.authenticatorDataBytesMax);
    const clientData = fromBase64Url(answer.clientData, passkeyLimits.clientDataBytesMax);
    const signature = p256SignatureOfDer(fromBase64Url(answer.signature, passkeyLimits.signatureBytesMax));
    if (signature !== null) return { authenticatorData, clientData, signature };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  throw new PasskeyRefusedError('malformed');
}

/** `WebAuthnAuth` of OpenZeppelin's contracts 5.7, as its fields follow each other. */
export const passkeySignatureFields = [
  { name: 'r', type: 'bytes32' },
  { name: 's', type: 'bytes32' },
  { name: 'challengeIndex', type: 'uint256' },
  { name: 'typeIndex', type: 'uint256' },
  { name: 'authenticatorData', type: 'bytes' },
  // A string in Solidity; the same on the wire, and no byte is taken for another.
  { name: 'clientDataJSON', type: 'bytes' },
] as const;

/** The text of client data that says what was signed, and where it begins, in bytes. */
export const typeText = '"type":"webauthn.get"';
const challengeStart = '"challenge":"';

/**
 * A passkey's answer as the contract's verifier (`ERC7913WebAuthnVerifier`) takes it, where the passkey itself is the grant's signer and was
 * asked to sign the offer's digest.
 * @throws {PasskeyRefusedError}
 */
export function passkeySignature(answer: PasskeyAnswer): Hex {
  const parts = partsOf(answer);
  // One character for each byte, so that places count as the contract counts them.
  const text = String.fromCharCode(...parts.clientData);
  const typeIndex = text.indexOf(typeText);
  const challengeIndex = text.indexOf(challengeStart);
  if (typeIndex < 0 || challengeIndex < 0) throw new PasskeyRefusedError('malformed');
  return encodePasskeySignature(parts, challengeIndex, typeIndex);
}

/** The one encoding of these parts. */
export function encodePasskeySignature(parts: PasskeyParts, challengeIndex: number, typeIndex: number): Hex {
  return encodeAbiParameters(passkeySignatureFields, [
    `0x${toHex(parts.signature.subarray(0, 32))}`,
    `0x${toHex(parts.signature.subarray(32))}`,
    BigInt(challengeIndex),
    BigInt(typeIndex),
    `0x${toHex(parts.authenticatorData)}`,
    `0x${toHex(parts.clientData)}`,
  ]);
}
