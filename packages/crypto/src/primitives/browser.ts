import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { shake256 as nobleShake256, sha3_256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import type {
  AeadAlgorithm,
  AeadKey,
  Ed25519Key,
  Ed25519PublicKey,
  Encapsulated,
  MlKem768Key,
  ScryptCost,
  X25519PrivateKey,
} from './primitives.ts';

const tagBytes = 16;

// The audited noble libraries: synchronous where WebCrypto is not. Each by itself, so that a page that only hashes loads no key exchange.

export { sha3_256 as sha3of256, sha256 };

export function shake256(bytes: Uint8Array, length: number): Uint8Array {
  return nobleShake256(bytes, { dkLen: length });
}

export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return hmac(sha256, key, bytes);
}

export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] as number) ^ (b[index] as number);
  return difference === 0;
}

export function scrypt(passphrase: string, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array> {
  const { costLog2, blockSize, parallelism, length } = cost;
  const maxmem = 2 ** (costLog2 + 11);
  return scryptAsync(passphrase, salt, { N: 2 ** costLog2, r: blockSize, p: parallelism, dkLen: length, maxmem });
}

export function importAead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
  return new NobleAeadKey(algorithm, key.slice());
}

export function importEd25519(seed: Uint8Array): Ed25519Key {
  const key = seed.slice();
  return { publicKey: ed25519.getPublicKey(key), sign: (message) => ed25519.sign(message, key) };
}

export function importEd25519Public(publicKey: Uint8Array): Ed25519PublicKey | null {
  try {
    ed25519.Point.fromBytes(publicKey);
  } catch {
    return null;
  }
  const key = publicKey.slice();
  // RFC 8032's own rules, as node:crypto has them, not the wider ones of ZIP 215.
  return { verify: (message, signature) => verifies(key, message, signature) };
}

export function importX25519(privateKey: Uint8Array): X25519PrivateKey {
  const key = privateKey.slice();
  return {
    publicKey: x25519.getPublicKey(key),
    sharedSecret(publicKey) {
      try {
        return x25519.getSharedSecret(key, publicKey);
      } catch {
        return null; // noble refuses the all-zero secret
      }
    },
  };
}

export function importMlKem768(seed: Uint8Array): MlKem768Key {
  const { publicKey, secretKey } = ml_kem768.keygen(seed);
  return { publicKey, decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey) };
}

export function mlKem768Encapsulate(publicKey: Uint8Array, coins: () => Uint8Array): Encapsulated | null {
  try {
    const { sharedSecret, cipherText } = ml_kem768.encapsulate(publicKey, coins());
    return { sharedSecret, ciphertext: cipherText };
  } catch {
    return null; // a coefficient out of range (FIPS 203 §7.2)
  }
}

const blockBytes = 16;

export function aes256Counter(rawKey: Uint8Array): (target: Uint8Array) => void {
  const key = rawKey.slice();
  let at = 0;
  return (target) => {
    const counter = new Uint8Array(blockBytes);
    new DataView(counter.buffer).setBigUint64(8, BigInt(Math.floor(at / blockBytes)));
    const skipped = at % blockBytes;
    target.set(
      ctr(key, counter)
        .encrypt(new Uint8Array(skipped + target.length))
        .subarray(skipped),
    );
    at += target.length;
  };
}

function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

class NobleAeadKey implements AeadKey {
  readonly #create: typeof gcm | typeof chacha20poly1305;
  readonly #key: Uint8Array;

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.#create = algorithm === 'chacha20-poly1305' ? chacha20poly1305 : gcm;
    this.#key = key;
  }

  sealInto(target: Uint8Array, offset: number, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): void {
    // Nonces are often written anew in one place: noble may keep what it is given.
    target.set(this.#create(this.#key, nonce.slice(), additional).encrypt(plaintext), offset);
  }

  open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    if (sealed.length < tagBytes) return null;
    try {
      return this.#create(this.#key, nonce.slice(), additional).decrypt(sealed);
    } catch {
      return null;
    }
  }
}
