import { BinaryReader, type BinaryWriter } from '@bufbuild/protobuf/wire';
import { DecodeError } from '@pulsemesh/wire';

/** Bytes a field may have. */
export interface Length {
  readonly min?: number;
  readonly max: number;
}

export const id16: Length = { min: 16, max: 16 };

/**
 * Goes over the fields of one protobuf message. `onField` reads what it knows (each read advances the reader) and says true; what
 * it does not know is skipped. Anything malformed is a {@link DecodeError}.
 */
export function readFields(bytes: Uint8Array, onField: (field: number, reader: FieldReader) => boolean): void {
  const reader = new FieldReader(bytes);
  try {
    while (!reader.isDone) {
      const field = reader.next();
      if (!onField(field, reader)) reader.skip();
    }
  } catch (error) {
    // The library throws plain errors; nothing in here has a side effect, so all of them mean "malformed".
    throw error instanceof DecodeError ? error : new DecodeError('not the protobuf expected', { cause: error });
  }
}

/** The library's reader with lengths checked and numbers as numbers. */
export class FieldReader {
  readonly #reader: BinaryReader;
  #field = 0;
  #wireType = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new BinaryReader(bytes);
  }

  get isDone(): boolean {
    return this.#reader.pos >= this.#reader.len;
  }

  next(): number {
    const tag = this.#reader.uint32();
    this.#field = tag >>> 3;
    this.#wireType = tag & 7;
    if (this.#field === 0) throw new DecodeError('field 0');
    return this.#field;
  }

  skip(): void {
    this.#reader.skip(this.#wireType, this.#field);
  }

  /** A view of the message's bytes. */
  bytes({ min = 0, max }: Length): Uint8Array {
    this.#expect(2);
    const bytes = this.#reader.bytes();
    if (bytes.length < min || bytes.length > max) throw new DecodeError(`a field of ${min} … ${max} bytes`);
    return bytes;
  }

  text(max: number): string {
    const bytes = this.bytes({ max });
    return strictText.decode(bytes);
  }

  uint32(): number {
    this.#expect(0);
    return this.#reader.uint32();
  }

  bool(): boolean {
    this.#expect(0);
    return this.#reader.bool();
  }

  /** An unsigned number up to 2^53-1. */
  uint(): number {
    this.#expect(0);
    const value = Number(this.#reader.uint64());
    if (!Number.isSafeInteger(value)) throw new DecodeError('a number past 2^53-1');
    return value;
  }

  /** One or, packed, several of them, appended to `to`. */
  uints(to: number[], countMax: number): void {
    if (this.#wireType === 0) to.push(this.uint());
    else {
      this.#expect(2);
      const end = this.#reader.uint32() + this.#reader.pos;
      if (end > this.#reader.len) throw new DecodeError('a list past the end');
      while (this.#reader.pos < end && to.length <= countMax) to.push(Number(this.#reader.uint64()));
    }
    if (to.length > countMax) throw new DecodeError(`more than ${countMax} numbers`);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new DecodeError('a field of another wire type');
  }
}

const strictText = new TextDecoder('utf-8', { fatal: true });

/** Adds to a list that may have `countMax` entries. @throws {DecodeError} when it is full. */
export function pushBounded<T>(list: T[], item: T, countMax: number): void {
  if (list.length >= countMax) throw new DecodeError(`more than ${countMax} entries`);
  list.push(item);
}

/** Throws a {@link DecodeError} for a field that must be there and is not. */
export function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new DecodeError(`no ${name}`);
  return value;
}

export function putBytes(writer: BinaryWriter, field: number, bytes: Uint8Array): void {
  writer.uint32((field << 3) | 2).bytes(bytes);
}

export function putText(writer: BinaryWriter, field: number, text: string): void {
  if (text !== '') writer.uint32((field << 3) | 2).string(text);
}

/** Numbers of zero are left out, as proto3 does; fractions (a clock's) are cut off. */
export function putUint(writer: BinaryWriter, field: number, number: number): void {
  const value = Math.floor(number);
  if (value === 0) return;
  writer.uint32(field << 3);
  if (value < 2 ** 32) writer.uint32(value);
  else writer.uint64(value);
}

/** A message inside this one. */
export function putMessage(writer: BinaryWriter, field: number, write: () => void): void {
  writer.uint32((field << 3) | 2).fork();
  write();
  writer.join();
}
