import { createHmac, hash, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { assert } from '@pulsemesh/base';

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return plainBytes(hash('sha256', bytes, 'buffer'));
}

/** HMAC-SHA-256 (RFC 2104), 32 bytes. */
export function hmacSha256(key: Uint8Array | KeyObject, bytes: Uint8Array): Uint8Array {
  return plainBytes(createHmac('sha256', key).update(bytes).digest());
}

/** What {@link hkdfSha256} derives from. */
export interface HkdfInput {
  /** The input key: secret, of high entropy. */
  readonly key: Uint8Array | KeyObject;
  /** Default none. */
  readonly salt?: Uint8Array;
  /** What the output is for: another use, another info. Text is taken as UTF-8. */
  readonly info: Uint8Array | string;
  /** 1 … 8,160 bytes. */
  readonly length: number;
}

/** HKDF-SHA-256 (RFC 5869), extract then expand. */
export function hkdfSha256(input: HkdfInput): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', input.key, input.salt ?? new Uint8Array(0), input.info, input.length));
}

/** Compares secrets in a time that depends on their lengths only. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The same bytes as a plain `Uint8Array` instead of a `Buffer`, not copied. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Throws where a key is not 32 bytes: a bug in the caller. */
export function assertKey(key: Uint8Array, what: string): void {
  assert(key.length === 32, `${what} is 32 bytes`);
}
