import { DecodeError } from '@pulsemesh/wire';

/** The wire types of protobuf that this link uses or skips; groups are refused. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads protobuf fields in place. Integers come as numbers (below 2^53), bytes as views of the input. Smaller than a general
 * reader because it never recurses, and it throws nothing but {@link DecodeError}.
 */
export class ProtoReader {
  readonly #bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.position = 0;
    this.end = bytes.length;
  }

  get isAtEnd(): boolean {
    return this.position >= this.end;
  }

  /** The next field's tag (number × 8 + wire type). */
  tag(): number {
    const tag = this.uint();
    if (tag < 8 || tag > 0xffff_ffff) throw new DecodeError('a field number out of range');
    return tag;
  }

  /** An unsigned varint below 2^53. */
  uint(): number {
    const bytes = this.#bytes;
    const first = this.position < this.end ? (bytes[this.position] as number) : 0xff;
    if (first < 0x80) {
      this.position += 1;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count += 1) {
      if (this.position >= this.end) throw new DecodeError('cut short');
      const byte = bytes[this.position] as number;
      this.position += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('a number past 2^53');
        return value;
      }
      scale *= 128;
    }
    throw new DecodeError('a number past 2^53');
  }

  /** An unsigned varint below 2^32. */
  uint32(): number {
    const value = this.uint();
    if (value > 0xffff_ffff) throw new DecodeError('a number past 2^32');
    return value;
  }

  bool(): boolean {
    return this.uint() !== 0;
  }

  /** A little-endian 64-bit number below 2^53. */
  fixed64(): number {
    this.#need(8);
    const low = this.#littleEndian32(this.position);
    const high = this.#littleEndian32(this.position + 4);
    if (high >= 2 ** 21) throw new DecodeError('a number past 2^53');
    this.position += 8;
    return high * 2 ** 32 + low;
  }

  /** The length of a length-delimited field, checked against `bytesMax` and what is there. */
  length(bytesMax: number): number {
    const length = this.uint();
    if (length > bytesMax) throw new DecodeError(`a field longer than ${bytesMax} bytes`);
    this.#need(length);
    return length;
  }

  /** A view of the next length-delimited field. */
  bytes(bytesMax: number): Uint8Array {
    const length = this.length(bytesMax);
    const start = this.position;
    this.position = start + length;
    return this.#bytes.subarray(start, this.position);
  }

  string(bytesMax: number): string {
    try {
      return utf8.decode(this.bytes(bytesMax));
    } catch (error) {
      if (error instanceof DecodeError) throw error;
      throw new DecodeError('text that is not UTF-8');
    }
  }

  /** Passes over a field that is not known here. */
  skip(tag: number): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.#skipVarint();
        break;
      case wireTypes.fixed64:
        this.#advance(8);
        break;
      case wireTypes.bytes:
        this.#advance(this.length(this.end - this.position));
        break;
      case wireTypes.fixed32:
        this.#advance(4);
        break;
      default:
        throw new DecodeError('a group, or an unknown wire type');
    }
  }

  // Fields that are not known may hold any 64-bit number.
  #skipVarint(): void {
    for (let count = 0; count < 10; count += 1) {
      this.#need(1);
      this.position += 1;
      if ((this.#bytes[this.position - 1] as number) < 0x80) return;
    }
    throw new DecodeError('a number past 2^64');
  }

  #advance(count: number): void {
    this.#need(count);
    this.position += count;
  }

  #need(count: number): void {
    if (this.end - this.position < count) throw new DecodeError('cut short');
  }

  #littleEndian32(at: number): number {
    const bytes = this.#bytes;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }
}
