import { generateSeed } from '../ed25519.ts';
import { WeakKeyError } from '../errors.ts';
import { createX25519Key, type X25519Key } from '../x25519.ts';
import type { HpkeKem } from './kem.ts';
import { createLabeledKdf, join, suiteIdOf } from './labels.ts';

const id = 0x0020;
const keyBytes = 32;
const kdf = createLabeledKdf(suiteIdOf('KEM', id));
const none = new Uint8Array(0);

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1: all four modes. */
export const dhKemX25519: HpkeKem<X25519Key> = {
  id,
  publicKeyBytes: keyBytes,
  encapsulatedBytes: keyBytes,
  hasAuthentication: true,
  publicKeyOf: (key) => key.publicKey,
  encapsulate(publicKey, random, sender) {
    const ephemeral = createX25519Key(generateSeed(random));
    const first = ephemeral.sharedSecret(publicKey);
    const secret = sender === undefined ? first : join(first, sender.sharedSecret(publicKey));
    const context = join(ephemeral.publicKey, publicKey, sender?.publicKey ?? none);
    return { sharedSecret: extractAndExpand(secret, context), encapsulated: ephemeral.publicKey };
  },
  decapsulate(encapsulated, key, sender) {
    if (encapsulated.length !== keyBytes) throw new WeakKeyError();
    const first = key.sharedSecret(encapsulated);
    const secret = sender === undefined ? first : join(first, key.sharedSecret(sender));
    return extractAndExpand(secret, join(encapsulated, key.publicKey, sender ?? none));
  },
};

/** The 32-byte private key that belongs to secret key material of any length (at least 32 random bytes): DeriveKeyPair, RFC 9180 §7.1.3. */
export function deriveX25519PrivateKey(keyMaterial: Uint8Array): Uint8Array {
  return kdf.expand(kdf.extract(none, 'dkp_prk', keyMaterial), 'sk', none, keyBytes);
}

function extractAndExpand(secret: Uint8Array, context: Uint8Array): Uint8Array {
  return kdf.expand(kdf.extract(none, 'eae_prk', secret), 'shared_secret', context, 32);
}
