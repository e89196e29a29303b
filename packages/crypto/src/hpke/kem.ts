import type { Random } from '@pulsemesh/base';

/**
 * A key encapsulation mechanism as HPKE takes one (RFC 9180 §4). `Key` is a private key taken in for use. Objects without
 * state: shared freely.
 */
export interface HpkeKem<Key> {
  /** The number of RFC 9180 §7.1, or of the draft that registers it. */
  readonly id: number;
  readonly publicKeyBytes: number;
  readonly encapsulatedBytes: number;
  /** True where a sender can be authenticated by its key: modes auth and auth-psk. */
  readonly hasAuthentication: boolean;
  publicKeyOf(key: Key): Uint8Array;
  /**
   * A new shared secret for the holder of `publicKey`, and what lets it be found. With `sender`, the secret also proves that key.
   * @throws {WeakKeyError} for a public key that gives no secret.
   */
  encapsulate(publicKey: Uint8Array, random: Random, sender?: Key): Encapsulation;
  /**
   * The secret that was encapsulated; `sender` is the public key of the sender it has to come from.
   * @throws {WeakKeyError} for points that give no secret, and for bytes of another length.
   */
  decapsulate(encapsulated: Uint8Array, key: Key, sender?: Uint8Array): Uint8Array;
}

export interface Encapsulation {
  /** 32 bytes. Secret. */
  readonly sharedSecret: Uint8Array;
  readonly encapsulated: Uint8Array;
}
