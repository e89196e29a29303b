import type { Random } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { generateSeed } from './ed25519.ts';
import { WeakKeyError } from './errors.ts';
import { assertKey } from './hash.ts';

/** A key pair of X25519 (RFC 7748), 32 bytes each. */
export interface X25519KeyPair {
  /** Secret. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** A private key taken in once, for many exchanges: that costs as much as an exchange does. Prints without the secret. */
export interface X25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The 32 bytes shared with the holder of `publicKey`'s private key: input of a key derivation, not a key.
   * @throws {WeakKeyError} for the all-zero secret (RFC 7748 §6.1) and for what is not 32 bytes.
   */
  sharedSecret(publicKey: Uint8Array): Uint8Array;
}

/** A new key pair. */
export function generateX25519(random: Random): X25519KeyPair {
  const privateKey = generateSeed(random);
  return { privateKey, publicKey: x25519PublicKey(privateKey) };
}

/** The public key of a 32-byte private key. */
export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
  return createX25519Key(privateKey).publicKey;
}

/**
 * The 32 bytes shared by `privateKey` (32 bytes) and `publicKey`.
 * @throws {WeakKeyError} see {@link X25519Key.sharedSecret}.
 */
export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return createX25519Key(privateKey).sharedSecret(publicKey);
}

/** Takes in a 32-byte private key (copied). */
export function createX25519Key(privateKey: Uint8Array): X25519Key {
  assertKey(privateKey, 'an X25519 private key');
  const key = primitives.importX25519(privateKey);
  return {
    publicKey: key.publicKey,
    sharedSecret(publicKey) {
      const secret = publicKey.length === 32 ? key.sharedSecret(publicKey) : null;
      if (secret === null) throw new WeakKeyError();
      return secret;
    },
  };
}
