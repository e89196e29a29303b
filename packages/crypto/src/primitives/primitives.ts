/**
 * The primitives below everything in this package. Two implementations, `node.ts` and `browser.ts`, give the same bytes;
 * `#primitives` in package.json chooses. Arguments have the right lengths here: callers check.
 */
export interface Primitives {
  /** FIPS 180-4, 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** FIPS 202, 32 bytes. */
  sha3of256(bytes: Uint8Array): Uint8Array;
  /** FIPS 202, `length` bytes. */
  shake256(bytes: Uint8Array, length: number): Uint8Array;
  /** RFC 2104 with SHA-256, 32 bytes; a key of any length. */
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** Compares two secrets of one length in a time that does not depend on them. */
  equalSecrets(a: Uint8Array, b: Uint8Array): boolean;
  /** RFC 7914, off the event loop as far as the platform lets. */
  scrypt(passphrase: string, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array>;
  /** Imports a key once, for many uses. The key is copied. */
  importAead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey;
  /** AES-256-CTR from counter 0 over zeros; `key` is 32 bytes, copied. The function overwrites its argument with what comes next. */
  aes256Counter(key: Uint8Array): (target: Uint8Array) => void;
  /** RFC 8032; `seed` is 32 bytes, copied. */
  importEd25519(seed: Uint8Array): Ed25519Key;
  /** RFC 8032; `publicKey` is 32 bytes. Null where it is no point of the curve. */
  importEd25519Public(publicKey: Uint8Array): Ed25519PublicKey | null;
  /** RFC 7748; `privateKey` is 32 bytes, copied. */
  importX25519(privateKey: Uint8Array): X25519PrivateKey;
  /** FIPS 203; `seed` is 64 bytes (d ‖ z), copied. */
  importMlKem768(seed: Uint8Array): MlKem768Key;
  /**
   * FIPS 203; null where the 1,184-byte public key is refused. Servers take the coins from the operating system, browsers
   * from `coins` (32 bytes, called once): node:crypto does not let them be given.
   */
  mlKem768Encapsulate(publicKey: Uint8Array, coins: () => Uint8Array): Encapsulated | null;
}

/** scrypt's N, r and p, and the bytes of the result. */
export interface ScryptCost {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelism: number;
  readonly length: number;
}

/** The AEADs there are. Keys of 16, 32 and 32 bytes, nonces of 12, tags of 16. */
export type AeadAlgorithm = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';

/** An imported key. Nonces are the caller's to keep from repeating. */
export interface AeadKey {
  /** Writes ciphertext ‖ tag into `target` at `offset`: 16 bytes more than the plaintext. */
  sealInto(target: Uint8Array, offset: number, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): void;
  /** The plaintext of ciphertext ‖ tag (at least 16 bytes), or null when it does not open. */
  open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

export interface Ed25519Key {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export interface Ed25519PublicKey {
  /** `signature` is 64 bytes. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

export interface X25519PrivateKey {
  readonly publicKey: Uint8Array;
  /** 32 bytes, or null for the all-zero secret that a point of small order gives. */
  sharedSecret(publicKey: Uint8Array): Uint8Array | null;
}

export interface MlKem768Key {
  /** 1,184 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes of a 1,088-byte ciphertext; a wrong one gives a secret nobody else has (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

export interface Encapsulated {
  readonly sharedSecret: Uint8Array;
  readonly ciphertext: Uint8Array;
}
