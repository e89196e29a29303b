import { DecodeError } from './errors.ts';

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hex, two characters a byte. */
export function toHex(bytes: Uint8Array): string {
  // Joined, not added up: a text that was added up keeps all its parts in memory, many times its own size.
  return Array.from(bytes, (byte) => hexOfByte[byte]).join('');
}

/**
 * Bytes of lower-case hex.
 * @throws {DecodeError} when a character is not one of 0–9 a–f, their number is odd, or not `length` × 2 where given.
 */
export function fromHex(text: string, length?: number): Uint8Array {
  if (length !== undefined && text.length !== length * 2) throw new DecodeError('hex of another length');
  if (text.length % 2 !== 0) throw new DecodeError('hex of odd length');
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = hexDigit(text.charCodeAt(index * 2)) * 16 + hexDigit(text.charCodeAt(index * 2 + 1));
  }
  return bytes;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10;
  throw new DecodeError('not lower-case hex');
}

/** Equal content. Not constant-time: for secrets use the comparison of the crypto package. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Negative, zero or positive as `a` sorts before, equal to or after `b`, byte by byte, shorter first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index += 1) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** One new array with the content of all, in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
