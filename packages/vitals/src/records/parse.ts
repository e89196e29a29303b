import { Condition } from '@pulsemesh/base';

/** What a peer or a store handed over does not have the shape that was agreed. The same bytes never will. */
export class MalformedRecordError extends Condition {
  override readonly name = 'MalformedRecordError';
  /** `what`: the field, never its content. */
  constructor(what: string) {
    super('malformed-record', `${what} does not have the agreed shape`, { facts: { what } });
  }
}

/** More was handed over, or asked for, than one call may carry. Splitting the call helps, repeating it does not. */
export class RecordLimitError extends Condition {
  override readonly name = 'RecordLimitError';
  constructor(limit: string, max: number) {
    super('record-limit', `more than ${limit} allows (${max})`, { facts: { limit, max } });
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws {MalformedRecordError} */
export function parseFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new MalformedRecordError(what);
  }
  return value as Fields; // an object that is no array: its fields stay unknown
}

/** @throws {MalformedRecordError}; {@link RecordLimitError} past `max`. */
export function parseArray(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new MalformedRecordError(what);
  if (value.length > max) throw new RecordLimitError(what, max);
  return value;
}

/** An array of exactly `length` elements. @throws {MalformedRecordError} */
export function parseTuple(value: unknown, what: string, length: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== length) throw new MalformedRecordError(what);
  return value;
}

/** Bytes of a fixed length, or of at most `max` and at least one. @throws {MalformedRecordError} */
export function parseBytes(value: unknown, what: string, size: number | { readonly max: number }): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new MalformedRecordError(what);
  const isFitting = typeof size === 'number' ? value.length === size : value.length > 0 && value.length <= size.max;
  if (!isFitting) throw new MalformedRecordError(what);
  return value;
}

/** A whole number from `min` to `max`, both inclusive. @throws {MalformedRecordError} */
export function parseInteger(value: unknown, what: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new MalformedRecordError(what);
  }
  return value;
}

/** 1 … `max` characters without control characters. @throws {MalformedRecordError} */
export function parseText(value: unknown, what: string, max: number): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > max || /\p{Cc}/u.test(value)) {
    throw new MalformedRecordError(what);
  }
  return value;
}

/** @throws {MalformedRecordError} */
export function parseBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new MalformedRecordError(what);
  return value;
}
