import { p256 } from '@noble/curves/nist.js';

// noble on servers too: node:crypto signs and checks messages only, and the ledger's signers work on digests.

/** Bytes of an uncompressed public key (SEC 1: 04 ‖ x ‖ y) and of a signature r ‖ s. */
export const p256PublicKeyBytes = 65;
export const p256SignatureBytes = 64;

/** A key of NIST P-256 (FIPS 186-5), as smart cards and passkeys have them. */
export interface P256Key {
  /** 65 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /** r ‖ s over a 32-byte digest (RFC 6979: the same digest gives the same signature), s in the lower half. */
  signDigest(digest: Uint8Array): Uint8Array;
}

/** The key of a 32-byte private scalar (copied). @throws {RangeError} unless it is 1 … n-1. */
export function createP256Key(privateKey: Uint8Array): P256Key {
  if (!p256.utils.isValidSecretKey(privateKey)) throw new RangeError('no private key of P-256');
  const key = privateKey.slice();
  return {
    publicKey: p256.getPublicKey(key, false),
    signDigest: (digest) => p256.sign(digest, key, { prehash: false, lowS: true }),
  };
}

/**
 * True when `signature` (r ‖ s) is that of the 32-byte `digest` under the uncompressed `publicKey`; false for malformed ones too. Both
 * halves of s are taken: contracts take the lower alone, see {@link p256LowerSignature}.
 */
export function verifyP256(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== p256PublicKeyBytes || digest.length !== 32 || signature.length !== p256SignatureBytes)
    return false;
  try {
    return p256.verify(signature, digest, publicKey, { prehash: false, lowS: false });
  } catch {
    return false;
  }
}

/** Whether the 65 bytes are a point of the curve. */
export function isP256PublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === p256PublicKeyBytes && p256.utils.isValidPublicKey(publicKey, false);
}

/**
 * A DER signature (as passkeys and smart cards give it) as r ‖ s with s in the lower half, which contracts ask for; null where it is none.
 * Either half is valid ECDSA; whoever changes one for the other changes nothing that was signed.
 */
export function p256SignatureOfDer(der: Uint8Array): Uint8Array | null {
  try {
    return lowered(p256.Signature.fromBytes(der, 'der'));
  } catch {
    return null;
  }
}

/** The same signature r ‖ s with s in the lower half; null where it is none. */
export function p256LowerSignature(signature: Uint8Array): Uint8Array | null {
  try {
    return lowered(p256.Signature.fromBytes(signature, 'compact'));
  } catch {
    return null;
  }
}

function lowered(signature: InstanceType<typeof p256.Signature>): Uint8Array {
  if (!signature.hasHighS()) return signature.toBytes('compact');
  return new p256.Signature(signature.r, p256.Point.Fn.neg(signature.s)).toBytes('compact');
}
