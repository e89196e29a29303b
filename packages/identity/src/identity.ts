import { createSigner, hkdfSha256, type Signer } from '@pulsemesh/crypto';
import { concatBytes, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';

/** A node's one identity: an Ed25519 key whose peer id is its address everywhere. Holds secrets; prints as its peer id only. */
export interface Identity {
  readonly peerId: PeerId;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
  /** 32 bytes, derived from the private key: for sealing what the node keeps on its own disk. Secret. */
  readonly nodeBoxKey: Uint8Array;
  /** 64 bytes (seed, then public key), the form `privateKeyFromRaw` of @libp2p/crypto takes. Secret. */
  readonly libp2pPrivateKeyBytes: Uint8Array;
  /** What may be shown. */
  toJSON(): { readonly peerId: PeerId };
}

/** The identity of a 32-byte private seed, kept nowhere: for tests and simulation. */
export function identityOfSeed(seed: Uint8Array): Identity {
  return new Ed25519Identity(seed);
}

class Ed25519Identity implements Identity {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  // Private fields do not show when the object is printed or serialised.
  readonly #seed: Uint8Array;
  readonly #signer: Signer;

  constructor(seed: Uint8Array) {
    this.#seed = seed.slice();
    this.#signer = createSigner(seed);
    this.publicKey = this.#signer.publicKey;
    this.peerId = peerIdOfEd25519(this.publicKey);
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#signer.sign(message);
  }

  get nodeBoxKey(): Uint8Array {
    return hkdfSha256({ key: this.#seed, info: 'pulsemesh/node-box/1', length: 32 });
  }

  get libp2pPrivateKeyBytes(): Uint8Array {
    return concatBytes(this.#seed, this.publicKey);
  }

  toJSON(): { readonly peerId: PeerId } {
    return { peerId: this.peerId };
  }
}
