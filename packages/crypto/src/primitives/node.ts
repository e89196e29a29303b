import nodeCrypto, {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hash,
  type KeyObject,
  scrypt as nodeScrypt,
  type ScryptOptions,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import { LruMap } from '../lru-map.ts';
import type { AeadAlgorithm, AeadKey, Ed25519Key, MlKem768Key, Primitives, X25519PrivateKey } from './primitives.ts';

const scryptAsync = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(nodeScrypt);
const tagBytes = 16;
/** Below this freeing costs more than it saves. */
const freedBytesMin = 2048;

// Wrappings of raw keys: PKCS #8 (RFC 8410 §7, and RFC 9935 §6 for the seed form of ML-KEM) and SPKI.
const ed25519Pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');
const x25519Pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');
const mlKem768Pkcs8Head = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');
const mlKem768SpkiHead = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

// Through the default export: naming what Node has only since 24.7 would keep older ones from loading all the rest.

/** The primitives of node:crypto. */
const primitives: Primitives = {
  sha256: (bytes) => plain(hash('sha256', bytes, 'buffer')),
  sha3of256: (bytes) => plain(hash('sha3-256', bytes, 'buffer')),
  shake256: (bytes, length) => plain(createHash('shake256', { outputLength: length }).update(bytes).digest()),
  // A KeyObject made on the spot is still twice as fast as letting node:crypto take the raw bytes.
  hmacSha256: (key, bytes) => plain(createHmac('sha256', createSecretKey(key)).update(bytes).digest()),
  equalSecrets: timingSafeEqual,
  async scrypt(passphrase, salt, { costLog2, blockSize, parallelism, length }) {
    const options = { N: 2 ** costLog2, r: blockSize, p: parallelism, maxmem: 2 ** (costLog2 + 11) };
    return plain(await scryptAsync(passphrase, salt, length, options));
  },
  importAead: (algorithm, key) => new NodeAeadKey(algorithm, createSecretKey(key)),
  aes256Counter,
  importEd25519,
  importEd25519Public(publicKey) {
    const key = importPublic('Ed25519', publicKey);
    return key === null ? null : { verify: (message, signature) => verify(null, message, key, signature) };
  },
  importX25519,
  importMlKem768,
  mlKem768Encapsulate(publicKey) {
    try {
      const key = createPublicKey({ key: Buffer.concat([mlKem768SpkiHead, publicKey]), format: 'der', type: 'spki' });
      const { sharedKey, ciphertext } = nodeCrypto.encapsulate(key);
      return { sharedSecret: plain(sharedKey), ciphertext: plain(ciphertext) };
    } catch {
      return null; // a coefficient out of range (FIPS 203 §7.2)
    }
  },
};

export const {
  sha256,
  sha3of256,
  shake256,
  hmacSha256,
  equalSecrets,
  scrypt,
  importAead,
  importEd25519Public,
  mlKem768Encapsulate,
} = primitives;
export { aes256Counter, importEd25519, importMlKem768, importX25519 };

class NodeAeadKey implements AeadKey {
  // TypeScript knows the GCM and ChaCha names under different types; both have all that is used here.
  readonly #algorithm: 'aes-256-gcm';
  // A cipher made from raw bytes takes three times as long.
  readonly #key: KeyObject;

  constructor(algorithm: AeadAlgorithm, key: KeyObject) {
    this.#algorithm = algorithm as 'aes-256-gcm';
    this.#key = key;
  }

  sealInto(target: Uint8Array, offset: number, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): void {
    const cipher = createCipheriv(this.#algorithm, this.#key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(additional);
    const text = cipher.update(plaintext);
    target.set(text, offset);
    freeAtOnce(text);
    cipher.final(); // empty for these AEADs, but computes the tag
    target.set(cipher.getAuthTag(), offset + plaintext.length);
  }

  open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const textBytes = sealed.length - tagBytes;
    const cipher = createDecipheriv(this.#algorithm, this.#key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(additional);
    cipher.setAuthTag(sealed.subarray(textBytes));
    const plaintext = cipher.update(sealed.subarray(0, textBytes));
    try {
      cipher.final();
    } catch {
      return null;
    }
    return plain(plaintext);
  }
}

/** What is encrypted to get a keystream, and how much of it at once: small enough for the cache, large enough for few calls. */
const zeros = new Uint8Array(64 * 1024);
const firstCounter = new Uint8Array(16);

function aes256Counter(key: Uint8Array): (target: Uint8Array) => void {
  const cipher = createCipheriv('aes-256-ctr', createSecretKey(key), firstCounter);
  return (target) => {
    for (let at = 0; at < target.length; at += zeros.length) {
      const piece = cipher.update(zeros.subarray(0, Math.min(zeros.length, target.length - at)));
      target.set(piece, at);
      freeAtOnce(piece);
    }
  };
}

/**
 * Gives the memory of bytes that are used up back now. A busy session makes tens of megabytes of them a second outside of V8's heap,
 * and V8 meets those with collections of the whole heap.
 */
function freeAtOnce(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length >= freedBytesMin && bytes.length === bytes.buffer.byteLength) bytes.buffer.transfer(0);
}

function importEd25519(seed: Uint8Array): Ed25519Key {
  const key = createPrivateKey({ key: Buffer.concat([ed25519Pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
  return { publicKey: exportPublic(key), sign: (message) => plain(sign(null, message, key)) };
}

function importX25519(privateKey: Uint8Array): X25519PrivateKey {
  const key = createPrivateKey({ key: Buffer.concat([x25519Pkcs8Head, privateKey]), format: 'der', type: 'pkcs8' });
  return {
    publicKey: exportPublic(key),
    sharedSecret(publicKey) {
      const other = importPublic('X25519', publicKey);
      if (other === null) return null;
      try {
        return plain(diffieHellman({ privateKey: key, publicKey: other }));
      } catch {
        return null; // OpenSSL refuses the all-zero secret
      }
    },
  };
}

/**
 * Public keys that were taken in, each about 1 KiB: that costs almost as much as the exchange itself, and an agent writes to the same
 * few others. Public, so that keeping them gives nothing away.
 */
const publicKeys = new LruMap<string, KeyObject | null>(1024);

/** Null where it is no key. JSON Web Keys are read faster than DER, and by every Node 24. */
function importPublic(curve: 'Ed25519' | 'X25519', publicKey: Uint8Array): KeyObject | null {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('base64url');
  return publicKeys.getOrCreate(`${curve} ${x}`, () => {
    try {
      return createPublicKey({ key: { kty: 'OKP', crv: curve, x }, format: 'jwk' });
    } catch {
      return null;
    }
  });
}

function exportPublic(key: KeyObject): Uint8Array {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x as string, 'base64url')); // an OKP key has x (RFC 8037 §2)
}

function importMlKem768(seed: Uint8Array): MlKem768Key {
  const key = createPrivateKey({ key: Buffer.concat([mlKem768Pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(mlKem768SpkiHead.length)),
    decapsulate: (ciphertext) => plain(nodeCrypto.decapsulate(key, ciphertext)),
  };
}

/** The same bytes as a plain `Uint8Array` instead of a `Buffer`, not copied. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
