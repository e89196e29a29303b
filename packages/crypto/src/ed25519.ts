import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { assert, type Random } from '@pulsemesh/base';
import { assertKey, plainBytes } from './hash.ts';

/** Signs with one Ed25519 key (RFC 8032). */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature; the same message gives the same one. */
  sign(message: Uint8Array): Uint8Array;
}

/** 32 random bytes fit to be a seed or a key. */
export function generateSeed(random: Random): Uint8Array {
  const seed = random.bytes(32);
  assert(
    seed.some((byte) => byte !== seed[0]),
    'the random source is broken',
  );
  return seed;
}

// PKCS #8 and SPKI wrappings of a raw Ed25519 key (RFC 8410 §7, §4).
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex');

/** The signer of a 32-byte private seed. */
export function createSigner(seed: Uint8Array): Signer {
  assertKey(seed, 'an Ed25519 seed');
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(spkiHead.length)),
    sign: (message) => plainBytes(sign(null, message, key)),
  };
}

/** True when `signature` is that of `message` under `publicKey`; false for malformed keys and signatures too. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([spkiHead, publicKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false; // not a point of the curve
  }
}
