import { assert } from '@pulsemesh/base';
import * as primitives from '#primitives';

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return primitives.sha256(bytes);
}

/** HMAC-SHA-256 (RFC 2104), 32 bytes. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return primitives.hmacSha256(key, bytes);
}

/** What {@link hkdfSha256} derives from. */
export interface HkdfInput {
  /** The input key: secret, of high entropy. */
  readonly key: Uint8Array;
  /** Default none. */
  readonly salt?: Uint8Array;
  /** What the output is for: another use, another info. Text is taken as UTF-8. */
  readonly info: Uint8Array | string;
  /** 1 … 8,160 bytes. */
  readonly length: number;
}

const hashBytes = 32;
const none = new Uint8Array(0);

/** HKDF-SHA-256 (RFC 5869), extract then expand. */
export function hkdfSha256(input: HkdfInput): Uint8Array {
  const info = typeof input.info === 'string' ? new TextEncoder().encode(input.info) : input.info;
  return hkdfExpand(hkdfExtract(input.salt ?? none, input.key), info, input.length);
}

/** HKDF-Extract (RFC 5869 §2.2). */
export function hkdfExtract(salt: Uint8Array, key: Uint8Array): Uint8Array {
  return primitives.hmacSha256(salt, key); // HMAC pads a short salt with zeros, as the RFC asks for
}

/** HKDF-Expand (RFC 5869 §2.3); `length` is 1 … 8,160. */
export function hkdfExpand(pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assert(Number.isInteger(length) && length > 0 && length <= 255 * hashBytes, 'HKDF gives 1 … 8,160 bytes');
  const output = new Uint8Array(Math.ceil(length / hashBytes) * hashBytes);
  const input = new Uint8Array(hashBytes + info.length + 1);
  input.set(info, hashBytes);
  for (let block = 1, at = 0; at < length; block += 1, at += hashBytes) {
    input[input.length - 1] = block;
    const digest = primitives.hmacSha256(pseudoRandomKey, block === 1 ? input.subarray(hashBytes) : input);
    input.set(digest);
    output.set(digest, at);
  }
  return output.length === length ? output : output.slice(0, length);
}

/** Compares secrets in a time that depends on their lengths only. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && primitives.equalSecrets(a, b);
}

/** Throws where a key is not 32 bytes: a bug in the caller. */
export function assertKey(key: Uint8Array, what: string): void {
  assert(key.length === 32, `${what} is 32 bytes`);
}
