import { assert } from '@pulsemesh/base';

const utf8 = new TextEncoder();
const sizeAtFirst = 4096;
/** A buffer that grew past this is given up once its content was taken, so that one large batch is not kept for ever. */
const keptBytesMax = 512 * 1024;

/**
 * Writes protobuf fields into one growing buffer that is used again and again. Lengths are computed before a message is written,
 * so nothing is moved afterwards. What `view` gives is valid until the next `reset`.
 */
export class ProtoWriter {
  #bytes = new Uint8Array(sizeAtFirst);
  #position = 0;

  get length(): number {
    return this.#position;
  }

  reset(): void {
    if (this.#bytes.length > keptBytesMax) this.#bytes = new Uint8Array(sizeAtFirst);
    this.#position = 0;
  }

  /** What was written since `reset`: a view, not a copy. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** What was written since `reset`, as bytes of its own. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#position);
  }

  /** One byte below 128, for tags. */
  byte(value: number): void {
    if (this.#position === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#position] = value;
    this.#position += 1;
  }

  /** An unsigned varint below 2^53. */
  uint(value: number): void {
    this.#reserve(8);
    const bytes = this.#bytes;
    let position = this.#position;
    let rest = value;
    while (rest > 0x7f) {
      bytes[position] = (rest % 128) | 0x80;
      position += 1;
      rest = rest > 0x7fff_ffff ? Math.floor(rest / 128) : rest >>> 7;
    }
    bytes[position] = rest;
    this.#position = position + 1;
  }

  fixed64(value: number): void {
    this.#reserve(8);
    const bytes = this.#bytes;
    let low = value % 2 ** 32;
    let high = Math.floor(value / 2 ** 32);
    for (let index = 0; index < 4; index += 1) {
      bytes[this.#position + index] = low & 0xff;
      bytes[this.#position + 4 + index] = high & 0xff;
      low >>>= 8;
      high >>>= 8;
    }
    this.#position += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** A field of unsigned varint; nothing for 0. */
  uintField(field: number, value: number): void {
    if (value === 0) return;
    this.byte(field << 3);
    this.uint(value);
  }

  boolField(field: number, value: boolean): void {
    if (value) this.uintField(field, 1);
  }

  /** A field of bytes; nothing when empty. */
  bytesField(field: number, value: Uint8Array): void {
    if (value.length > 0) this.element(field, value);
  }

  /** One element of a repeated field of bytes, or a sub-message; written when empty too. */
  element(field: number, value: Uint8Array): void {
    this.byte((field << 3) | 2);
    this.uint(value.length);
    this.raw(value);
  }

  stringField(field: number, value: string): void {
    if (value.length > 0) this.element(field, utf8.encode(value));
  }

  #reserve(count: number): void {
    const needed = this.#position + count;
    if (needed <= this.#bytes.length) return;
    assert(needed < 2 ** 31, 'a message below 2 GiB');
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = grown;
  }
}

/** Bytes of a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  return Math.ceil(Math.log2(value + 1) / 7);
}
