import { DecodeError, fromHex, type PeerId, parsePeerId, toHex } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';

// Reading of decoded CBOR, one check per shape. All throw {@link DecodeError}s, which never hold what was read.

/** A list of exactly `length` items. */
export function listOf(value: unknown, length: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== length) throw new DecodeError('list');
  return value;
}

/** A list of at most `max` items, each read by `read`. */
export function itemsOf<T>(value: unknown, max: number, read: (item: unknown) => T): readonly T[] {
  if (!Array.isArray(value) || value.length > max) throw new DecodeError('list');
  return value.map(read);
}

/** A whole number from 0 to `max`. */
export function countOf(value: unknown, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
    throw new DecodeError('number');
  return value;
}

/** Text of at most `max` characters without control characters. */
export function textOf(value: unknown, max: number): string {
  if (typeof value !== 'string' || value.length > max || /\p{Cc}/u.test(value)) throw new DecodeError('text');
  return value;
}

/** One of the texts that are known. */
export function oneOf<T extends string>(value: unknown, known: readonly T[]): T {
  const found = known.find((item) => item === value);
  if (found === undefined) throw new DecodeError('an unknown word');
  return found;
}

/** Bytes, exactly `length` of them. */
export function bytesOf(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) throw new DecodeError('bytes of another length');
  return value;
}

/** Bytes, 1 … `max` of them. */
export function someBytesOf(value: unknown, max: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > max) throw new DecodeError('bytes');
  return value;
}

/** 32 bytes, as hex. */
export function hashOf(value: unknown): Hex {
  return hexOf(bytesOf(value, 32));
}

export function peerOf(value: unknown): PeerId {
  if (typeof value !== 'string') throw new DecodeError('peer id');
  return parsePeerId(value);
}

export function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value);
}

export function hexOf(bytes: Uint8Array): Hex {
  return `0x${toHex(bytes)}`;
}

/** Bytes of `0x` hex. @throws {DecodeError} unless it is lower-case, and of `length` bytes. */
export function bytesOfHex(hex: Hex, length: number): Uint8Array {
  if (!hex.startsWith('0x')) throw new DecodeError('hex without 0x');
  return fromHex(hex.slice(2), length);
}
