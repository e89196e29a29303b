import type { HybridKey } from '@pulsemesh/crypto';

/** Who seals; an `Identity` is one. */
export interface EnvelopeSender {
  /** Ed25519, 32 bytes: its peer id is the sender's. */
  readonly publicKey: Uint8Array;
  /** A 64-byte Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
  /** The X25519 key its contact card shows. */
  readonly sealing: SealingAgreement;
}

/** An X25519 key in use; prints without its secret. */
export interface SealingAgreement {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. @throws {WeakKeyError} */
  sharedSecret(publicKey: Uint8Array): Uint8Array;
}

/** Whom to seal to: what a contact card says. */
export interface EnvelopeRecipient {
  /** X25519, 32 bytes. */
  readonly sealingKey: Uint8Array;
  /** X-Wing, 1,216 bytes. Where it is there the hybrid suite is used. */
  readonly hybridKey?: Uint8Array;
}

/** Who opens; an `Identity` is one. */
export interface EnvelopeOpener {
  /** Tried in this order, at most {@link envelopeLimits}.recipientKeysMax. */
  readonly sealingKeys: readonly OpeningKey[];
}

/** A key that opens: X25519, and beside it an X-Wing one. */
export interface OpeningKey extends SealingAgreement {
  readonly hybrid?: HybridKey;
}
