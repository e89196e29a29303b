import { createHybridKey, createX25519Key, type HybridKey, hkdfSha256, type X25519Key } from '@pulsemesh/crypto';

/**
 * What others seal to an identity with, and what it opens with: an X25519 key and, beside it, an X-Wing one (X25519 with
 * ML-KEM-768). One of a series: each epoch has its own secret, which is kept apart from the identity's seed, so that a retired one can
 * be forgotten. Prints as its public half only.
 */
export interface SealingKey {
  /** 1 for the first, later ones greater. */
  readonly epoch: number;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** X25519 of this key and another's. 32 bytes, secret. @throws {WeakKeyError}. */
  sharedSecret(publicKey: Uint8Array): Uint8Array;
  /** X-Wing (X25519 with ML-KEM-768), expanded at the first use. */
  readonly hybrid: HybridKey;
  /** When it came into use, milliseconds since 1970; 0: with the identity. */
  readonly fromMs: number;
  /** When it was retired: it still opens, nobody is to seal to it. Null: in use. */
  readonly retiredMs: number | null;
  /** What may be shown. */
  toJSON(): { readonly epoch: number; readonly fromMs: number; readonly retiredMs: number | null };
}

/** What a sealing key is made of, as the identity file keeps it. Secret. */
export interface SealingSecret {
  readonly epoch: number;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  readonly fromMs: number;
  readonly retiredMs: number | null;
}

/** The first epoch's secret: the seed's own, so that words alone bring back what was sealed to it. */
export function firstSealingSecret(seed: Uint8Array): SealingSecret {
  const secret = hkdfSha256({ key: seed, info: 'pulsemesh/sealing/1', length: 32 });
  return { epoch: 1, secret, fromMs: 0, retiredMs: null };
}

/**
 * A later epoch's secret, of the seed and of 32 random bytes that are kept nowhere: without the stored secret not even the seed
 * brings it back. That is what makes forgetting it final.
 */
export function laterSealingSecret(
  seed: Uint8Array,
  fresh: Uint8Array,
  when: { readonly epoch: number; readonly fromMs: number },
): SealingSecret {
  const info = `pulsemesh/sealing/1 epoch ${when.epoch}`;
  return { ...when, secret: hkdfSha256({ key: seed, salt: fresh, info, length: 32 }), retiredMs: null };
}

/** The key of a secret (copied). */
export function createSealingKey(secret: SealingSecret): SealingKey {
  return new DerivedSealingKey(secret);
}

class DerivedSealingKey implements SealingKey {
  readonly epoch: number;
  readonly fromMs: number;
  readonly retiredMs: number | null;
  // Private fields do not show when the object is printed or serialised.
  readonly #secret: Uint8Array;
  #key: X25519Key | undefined;
  #hybrid: HybridKey | undefined;

  constructor({ epoch, secret, fromMs, retiredMs }: SealingSecret) {
    this.epoch = epoch;
    this.fromMs = fromMs;
    this.retiredMs = retiredMs;
    this.#secret = new Uint8Array(secret);
  }

  get publicKey(): Uint8Array {
    return this.#x25519().publicKey;
  }

  sharedSecret(publicKey: Uint8Array): Uint8Array {
    return this.#x25519().sharedSecret(publicKey);
  }

  get hybrid(): HybridKey {
    this.#hybrid ??= createHybridKey(this.#derive('pulsemesh/sealing/1 x-wing'));
    return this.#hybrid;
  }

  toJSON(): { readonly epoch: number; readonly fromMs: number; readonly retiredMs: number | null } {
    return { epoch: this.epoch, fromMs: this.fromMs, retiredMs: this.retiredMs };
  }

  /** Taken in at the first use: most identities of a test or a simulation never seal. */
  #x25519(): X25519Key {
    this.#key ??= createX25519Key(this.#derive('pulsemesh/sealing/1 x25519'));
    return this.#key;
  }

  #derive(info: string): Uint8Array {
    return hkdfSha256({ key: this.#secret, info, length: 32 });
  }
}
