import { createSigner, hkdfSha256, type Signer } from '@pulsemesh/crypto';
import { concatBytes, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { createSealingKey, firstSealingSecret, type SealingKey, type SealingSecret } from './sealing.ts';

/** A node's one identity: an Ed25519 key whose peer id is its address everywhere. Holds secrets; prints as its peer id only. */
export interface Identity {
  readonly peerId: PeerId;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
  /** What others seal to it with: the key in use, the one its contact card shows. */
  readonly sealing: SealingKey;
  /** All that still open, the one in use first. */
  readonly sealingKeys: readonly SealingKey[];
  /** Statements by which former identities of this holder named the next one, oldest first; public. See `verifySuccession`. */
  readonly successions: readonly Uint8Array[];
  /**
   * 32 bytes: for sealing what the node keeps on its own disk. Derived from the private key the identity was made with, and
   * staying when it is succeeded, so that the disk stays readable. Secret.
   */
  readonly nodeBoxKey: Uint8Array;
  /** 64 bytes (seed, then public key), the form `privateKeyFromRaw` of @libp2p/crypto takes. Secret. */
  readonly libp2pPrivateKeyBytes: Uint8Array;
  /** What may be shown. */
  toJSON(): { readonly peerId: PeerId };
}

/** All an identity is made of, as its file keeps it. Secret. */
export interface IdentitySecrets {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** The node box key, where it is not the seed's own: after a succession. */
  readonly nodeBoxKey: Uint8Array | null;
  /** The one in use first, at least one. */
  readonly sealing: readonly SealingSecret[];
  readonly successions: readonly Uint8Array[];
}

/** The identity of a 32-byte private seed, kept nowhere: for tests and simulation. */
export function identityOfSeed(seed: Uint8Array): Identity {
  return identityOfSecrets(secretsOfSeed(seed));
}

/** What a seed alone says: the first sealing key, no past. */
export function secretsOfSeed(seed: Uint8Array): IdentitySecrets {
  return { seed, nodeBoxKey: null, sealing: [firstSealingSecret(seed)], successions: [] };
}

/** The identity of stored secrets (copied). */
export function identityOfSecrets(secrets: IdentitySecrets): Identity {
  return new Ed25519Identity(secrets);
}

class Ed25519Identity implements Identity {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  readonly sealing: SealingKey;
  readonly sealingKeys: readonly SealingKey[];
  readonly successions: readonly Uint8Array[];
  // Private fields do not show when the object is printed or serialised.
  readonly #seed: Uint8Array;
  readonly #nodeBoxKey: Uint8Array | null;
  readonly #signer: Signer;

  constructor(secrets: IdentitySecrets) {
    this.#seed = new Uint8Array(secrets.seed);
    this.#nodeBoxKey = secrets.nodeBoxKey === null ? null : new Uint8Array(secrets.nodeBoxKey);
    this.#signer = createSigner(secrets.seed);
    this.publicKey = this.#signer.publicKey;
    this.peerId = peerIdOfEd25519(this.publicKey);
    this.sealingKeys = secrets.sealing.map(createSealingKey);
    this.sealing = this.sealingKeys[0] as SealingKey; // at least one
    this.successions = secrets.successions;
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#signer.sign(message);
  }

  get nodeBoxKey(): Uint8Array {
    return this.#nodeBoxKey?.slice() ?? hkdfSha256({ key: this.#seed, info: 'pulsemesh/node-box/1', length: 32 });
  }

  get libp2pPrivateKeyBytes(): Uint8Array {
    return concatBytes(this.#seed, this.publicKey);
  }

  toJSON(): { readonly peerId: PeerId } {
    return { peerId: this.peerId };
  }
}
