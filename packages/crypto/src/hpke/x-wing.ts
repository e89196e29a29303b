import { assert } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { generateSeed } from '../ed25519.ts';
import { WeakKeyError } from '../errors.ts';
import { assertKey } from '../hash.ts';
import { createX25519Key } from '../x25519.ts';
import type { HpkeKem } from './kem.ts';
import { join } from './labels.ts';

const latticePublicBytes = 1184;
const latticeCiphertextBytes = 1088;
/** Length of a hybrid public key: ML-KEM-768's, then X25519's. */
export const hybridPublicKeyBytes = latticePublicBytes + 32;
const ciphertextBytes = latticeCiphertextBytes + 32;

/** A private key of the hybrid of X25519 and ML-KEM-768, expanded for use. Prints without the secret. */
export interface HybridKey {
  /** 1,216 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The 32-byte secret in a 1,120-byte ciphertext; an altered one gives a secret that nobody else has.
   * @throws {WeakKeyError} for another length, and for a point that gives no secret.
   */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

/** Expands a 32-byte seed (copied), which is what is kept: draft-connolly-cfrg-xwing-kem-10 §5.2. */
export function createHybridKey(seed: Uint8Array): HybridKey {
  assertKey(seed, 'a hybrid key seed');
  const expanded = primitives.shake256(seed, 96);
  const lattice = primitives.importMlKem768(expanded.subarray(0, 64));
  const curve = createX25519Key(expanded.subarray(64));
  return {
    publicKey: join(lattice.publicKey, curve.publicKey),
    decapsulate(ciphertext) {
      if (ciphertext.length !== ciphertextBytes) throw new WeakKeyError();
      const curvePoint = ciphertext.subarray(latticeCiphertextBytes);
      const latticeSecret = lattice.decapsulate(ciphertext.subarray(0, latticeCiphertextBytes));
      return combine(latticeSecret, curve.sharedSecret(curvePoint), curvePoint, curve.publicKey);
    },
  };
}

/**
 * X-Wing, the hybrid of X25519 and ML-KEM-768 (draft-connolly-cfrg-xwing-kem-10): safe as long as one of the two is. It cannot
 * authenticate a sender. Stricter than the draft: an all-zero X25519 secret is refused. On servers ML-KEM takes its
 * coins from the operating system, not from `random`.
 */
export const xWing: HpkeKem<HybridKey> = {
  id: 0x647a,
  publicKeyBytes: hybridPublicKeyBytes,
  encapsulatedBytes: ciphertextBytes,
  hasAuthentication: false,
  publicKeyOf: (key) => key.publicKey,
  encapsulate(publicKey, random, sender) {
    assert(sender === undefined, 'X-Wing authenticates no sender');
    if (publicKey.length !== hybridPublicKeyBytes) throw new WeakKeyError();
    const lattice = primitives.mlKem768Encapsulate(publicKey.subarray(0, latticePublicBytes), () => random.bytes(32));
    if (lattice === null) throw new WeakKeyError();
    const curvePublic = publicKey.subarray(latticePublicBytes);
    const ephemeral = createX25519Key(generateSeed(random));
    const curveSecret = ephemeral.sharedSecret(curvePublic);
    return {
      sharedSecret: combine(lattice.sharedSecret, curveSecret, ephemeral.publicKey, curvePublic),
      encapsulated: join(lattice.ciphertext, ephemeral.publicKey),
    };
  },
  decapsulate(encapsulated, key, sender) {
    assert(sender === undefined, 'X-Wing authenticates no sender');
    return key.decapsulate(encapsulated);
  },
};

const label = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c); // \.//^\

/** §5.3. The lattice ciphertext is not in it: ML-KEM binds it to its secret. */
function combine(
  latticeSecret: Uint8Array,
  curveSecret: Uint8Array,
  curvePoint: Uint8Array,
  curvePublic: Uint8Array,
): Uint8Array {
  return primitives.sha3of256(join(latticeSecret, curveSecret, curvePoint, curvePublic, label));
}
