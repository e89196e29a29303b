import type { DecodeLimits } from '@pulsemesh/wire';
import { decodeCbor } from '@pulsemesh/wire';

// Reading of decoded CBOR, one check per shape. All throw TypeErrors that the parsers turn into their own condition.

/** The map in `bytes`, with exactly these keys. */
export function mapOf(bytes: Uint8Array, keys: readonly string[], limits: DecodeLimits): Record<string, unknown> {
  return exactMap(decodeCbor(bytes, limits), keys);
}

/** `value` as a map with exactly these keys. */
export function exactMap(value: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw new TypeError('not a map');
  const found = Object.keys(value);
  if (found.length !== keys.length || !keys.every((key) => found.includes(key))) throw new TypeError('keys of the map');
  return value as Record<string, unknown>; // an object with text keys
}

/** A list of `min` to `max` items. */
export function listOf(value: unknown, min: number, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length < min || value.length > max) throw new TypeError('list');
  return value;
}

/** A safe integer from `min` to `max`. */
export function integerOf(value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) throw new TypeError('number');
  return value as number; // checked above
}

/** Exactly `length` bytes. */
export function bytesOf(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) throw new TypeError(`not ${length} bytes`);
  return value;
}

/** `read` unless it is null. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value);
}

/**
 * Text of 1 to `lengthMax` characters that shows as what it is: NFC, without control characters and without those that turn or hide
 * what stands beside them (Unicode Cc, Cf, Zl, Zp), no space at either end.
 */
export function isPlainText(text: string, lengthMax: number): boolean {
  return (
    text.length >= 1 &&
    text.length <= lengthMax &&
    text.isWellFormed() &&
    text === text.normalize('NFC') &&
    text === text.trim() &&
    !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)
  );
}

/** {@link isPlainText}, or a TypeError. */
export function textOf(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || !isPlainText(value, lengthMax)) throw new TypeError('text');
  return value;
}

// Times travel in seconds, to keep cards short; 2^33 seconds are the year 2242.
const secondsMax = 2 ** 33;

/** Milliseconds of whole seconds. */
export function timeOf(value: unknown): number {
  return integerOf(value, 0, secondsMax) * 1000;
}

/** Whole seconds, rounded down. */
export function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}
