import { assert, type Random } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { assertKey } from './hash.ts';

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

/** The signer of a 32-byte private seed, taken in once for many signatures. */
export function createSigner(seed: Uint8Array): Signer {
  assertKey(seed, 'an Ed25519 seed');
  const key = primitives.importEd25519(seed);
  return { publicKey: key.publicKey, sign: (message) => key.sign(message) };
}

/** True when `signature` is that of `message` under `publicKey`; false for malformed keys and signatures too. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  return primitives.importEd25519Public(publicKey)?.verify(message, signature) ?? false;
}
