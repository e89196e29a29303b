import { AssertionError, errorMessage } from '@pulsemesh/base';
import { encode, rfc8949EncodeOptions, type Token, Tokenizer, Type } from 'cborg';
import { compareBytes } from './bytes.ts';
import { DecodeError } from './errors.ts';

/** Limits of {@link decodeCbor}; each is refused with a {@link DecodeError}. */
export interface DecodeLimits {
  /** Length of the whole item in bytes. Default {@link decodeLimits}.bytesMax. */
  readonly bytesMax?: number;
  /** Arrays and maps inside each other; a bare array has depth 1. Default {@link decodeLimits}.depthMax. */
  readonly depthMax?: number;
}

/** What holds where a caller gives no limits. */
export const decodeLimits = { bytesMax: 16 * 1024 * 1024, depthMax: 32 } as const;

/**
 * Deterministic CBOR (RFC 8949 §4.2.1: shortest forms, definite lengths, map keys in bytewise order) of null,
 * booleans, finite numbers, well-formed text, `Uint8Array`s, arrays and objects with text keys. Numbers that are safe
 * integers become integers, -0 becomes 0. One difference from the RFC, the library's: a number below 2^-14 that half precision could
 * only hold as a subnormal takes four bytes unless it is a power of two.
 * @throws {AssertionError} for any other value (undefined, NaN, bigint, Map, Date, a cycle): giving one is a bug.
 */
export function encodeCbor(value: unknown): Uint8Array {
  try {
    return asPlainBytes(encode(value, encodeOptions));
  } catch (error) {
    throw new AssertionError(`value has no CBOR form: ${errorMessage(error)}`, { cause: error });
  }
}

/**
 * The value of one deterministic CBOR item: what {@link encodeCbor} gives, and nothing else. Maps become objects
 * without a prototype, so that a key `__proto__` or `constructor` is a key like others. Byte strings are copies.
 * @throws {DecodeError} for anything else: another encoding of the same value, tags, bytes after the item, an item
 * past the limits. Memory and time are linear in the number of bytes.
 */
export function decodeCbor(bytes: Uint8Array, limits: DecodeLimits = {}): unknown {
  const { bytesMax, depthMax } = { ...decodeLimits, ...limits };
  if (bytes.length > bytesMax) throw new DecodeError(`longer than ${bytesMax} bytes`);
  const reader = new Tokenizer(asPlainBytes(bytes), decodeOptions);
  try {
    const value = readValue(reader, depthMax);
    if (!reader.done()) throw new DecodeError('bytes after the item');
    return value;
  } catch (error) {
    // The tokenizer throws plain errors; nothing in here has a side effect, so all of them mean "not our CBOR".
    throw error instanceof DecodeError ? error : new DecodeError('not deterministic CBOR', { cause: error });
  }
}

/** The library works with Node's Buffers where it can, whose `slice` does not copy and which compare unequal to others. */
function asPlainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const refuse = (_value: unknown, type: string): never => {
  throw new Error(`type ${type}`);
};

const encodeOptions = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    number(value: number) {
      if (!Number.isFinite(value)) throw new Error('not a finite number');
      return null;
    },
    string(value: string) {
      if (!value.isWellFormed()) throw new Error('text with a lone surrogate');
      return null;
    },
    ...Object.fromEntries(
      ['undefined', 'bigint', 'Map', 'Tagged', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView']
        .concat('Uint8Clamped Uint16 Uint32 Int8 Int16 Int32 BigUint64 BigInt64 Float32 Float64'.split(' '))
        .map((name) => (/\d|Clamped/.test(name) ? `${name}Array` : name))
        .map((name) => [name, refuse]),
    ),
  },
};

const decodeOptions = { strict: true, allowIndefinite: false, allowUndefined: false, allowBigInt: false };

function readValue(reader: Tokenizer, depthLeft: number): unknown {
  const start = reader.pos();
  const token = reader.next();
  switch (token.type) {
    case Type.array:
      return readArray(reader, token, depthLeft);
    case Type.map:
      return readMap(reader, token, depthLeft);
    case Type.string:
      return checkedText(reader, token, start);
    case Type.float:
      return checkedFloat(token);
    case Type.uint:
    case Type.negint:
      if (!Number.isSafeInteger(token.value)) throw new DecodeError('integer past 2^53-1');
      return token.value;
    case Type.bytes:
    case Type.null:
    case Type.true:
    case Type.false:
      return token.value;
    default:
      throw new DecodeError(`unexpected ${token.type.name}`);
  }
}

function readArray(reader: Tokenizer, token: Token, depthLeft: number): unknown[] {
  const length = checkedLength(reader, token, depthLeft, 1);
  const items: unknown[] = [];
  for (let index = 0; index < length; index += 1) items.push(readValue(reader, depthLeft - 1));
  return items;
}

function readMap(reader: Tokenizer, token: Token, depthLeft: number): Record<string, unknown> {
  const length = checkedLength(reader, token, depthLeft, 2);
  const map: Record<string, unknown> = Object.create(null);
  let previousKey: Uint8Array | undefined;
  for (let index = 0; index < length; index += 1) {
    const start = reader.pos();
    const key = readValue(reader, 0);
    if (typeof key !== 'string') throw new DecodeError('map key that is not text');
    const keyBytes = reader.data.subarray(start, reader.pos());
    if (previousKey !== undefined && compareBytes(previousKey, keyBytes) >= 0)
      throw new DecodeError('map keys out of order');
    previousKey = keyBytes;
    map[key] = readValue(reader, depthLeft - 1);
  }
  return map;
}

/** The number of items, refused when even one byte each could not be there. */
function checkedLength(reader: Tokenizer, token: Token, depthLeft: number, itemBytesMin: number): number {
  if (depthLeft <= 0) throw new DecodeError('nested too deep');
  const length: number = token.value;
  if (length * itemBytesMin > reader.data.length - reader.pos()) throw new DecodeError('fewer items than announced');
  return length;
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The tokenizer replaces malformed UTF-8 and drops a byte order mark; text that is not plain ASCII is read again. */
function checkedText(reader: Tokenizer, token: Token, start: number): string {
  const text: string = token.value;
  const end = reader.pos();
  const headBytes = text.length < 24 ? 1 : text.length < 256 ? 2 : 0;
  const isAscii = headBytes !== 0 && end - start === headBytes + text.length && !text.includes('\ufffd');
  return isAscii ? text : strictText.decode(payloadOf(reader.data.subarray(start, end)));
}

/** A text item's bytes after its head (RFC 8949 §3). */
function payloadOf(item: Uint8Array): Uint8Array {
  const minor = (item[0] as number) & 31;
  return item.subarray(minor < 24 ? 1 : 1 + 2 ** (minor - 24));
}

function checkedFloat(token: Token): number {
  const value: number = token.value;
  if (!Number.isFinite(value)) throw new DecodeError('not a finite number');
  // -0 is a safe integer too: it has no form of its own here.
  if (Number.isSafeInteger(value)) throw new DecodeError('integer written as a float');
  if (token.encodedLength !== floatItemBytes(value)) throw new DecodeError('float longer than necessary');
  return value;
}

const singleView = new DataView(new ArrayBuffer(4));

/** How many bytes {@link encodeCbor} takes for a number that is not an integer. */
function floatItemBytes(value: number): 3 | 5 | 9 {
  if (Math.fround(value) !== value) return 9;
  singleView.setFloat32(0, value);
  const mantissa = singleView.getUint32(0) & 0x7fffff;
  const size = Math.abs(value);
  const isHalf = size >= 2 ** -14 ? size < 65_536 && (mantissa & 0x1fff) === 0 : size >= 2 ** -24 && mantissa === 0;
  return isHalf ? 3 : 5;
}
