import { secp256k1 } from '@noble/curves/secp256k1.js';

// noble on servers too, as for P-256: ledgers work on digests, and need to know which of two keys a signature is of.

/** Bytes of a signature r ‖ s ‖ which of the two keys (0 or 1) that it may be of. */
export const secp256k1SignatureBytes = 65;

/** A key of secp256k1 (SEC 2), as accounts of Ethereum have it. */
export interface Secp256k1Key {
  /** 65 bytes, uncompressed: 04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array;
  /** Over a 32-byte digest (RFC 6979: the same digest gives the same signature), s in the lower half. {@link secp256k1SignatureBytes}. */
  signDigest(digest: Uint8Array): Uint8Array;
}

/** Whether the 32 bytes are a private key: 1 … n-1. All but one in 2^128 are. */
export function isSecp256k1PrivateKey(privateKey: Uint8Array): boolean {
  return secp256k1.utils.isValidSecretKey(privateKey);
}

/** The key of a 32-byte private scalar (copied). @throws {RangeError} unless it is one. */
export function createSecp256k1Key(privateKey: Uint8Array): Secp256k1Key {
  if (!isSecp256k1PrivateKey(privateKey)) throw new RangeError('no private key of secp256k1');
  const key = privateKey.slice();
  return {
    publicKey: secp256k1.getPublicKey(key, false),
    signDigest(digest) {
      const recovered = secp256k1.sign(digest, key, { prehash: false, lowS: true, format: 'recovered' });
      const signature = new Uint8Array(secp256k1SignatureBytes);
      signature.set(recovered.subarray(1));
      signature[secp256k1SignatureBytes - 1] = recovered[0] as number; // noble puts it first
      return signature;
    },
  };
}
