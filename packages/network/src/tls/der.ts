import { concatBytes, DecodeError } from '@pulsemesh/wire';

/** Tags of the few ASN.1 types a certificate here is made of (X.690 §8). */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific, constructed: [0], [1] … */
  context: 0xa0,
} as const;

/** One element: its tag, its contents, and the bytes of the whole, as received. */
export interface DerElement {
  readonly tag: number;
  readonly contents: Uint8Array;
  readonly whole: Uint8Array;
}

/** One element of `tag` around `parts`. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = concatBytes(...parts);
  return concatBytes(Uint8Array.of(tag, ...lengthOctets(contents.length)), contents);
}

/** An object identifier given in dotted form. */
export function derObjectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets = [first * 40 + second, ...rest].flatMap((arc) => base128(arc));
  return der(derTag.objectId, Uint8Array.from(octets));
}

/** A positive integer given by its octets, most significant first. */
export function derPositive(octets: Uint8Array): Uint8Array {
  const start = octets.findIndex((octet) => octet !== 0);
  const trimmed = start < 0 ? Uint8Array.of(0) : octets.subarray(start);
  return der(derTag.integer, (trimmed[0] ?? 0) > 0x7f ? Uint8Array.of(0) : Uint8Array.of(), trimmed);
}

/** A point in time, whole seconds: UTCTime up to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). */
export function derTime(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  const isShort = Number(text.slice(0, 4)) < 2050;
  const tag = isShort ? derTag.utcTime : derTag.generalizedTime;
  return der(tag, new TextEncoder().encode(isShort ? text.slice(2) : text));
}

/**
 * The elements that follow each other in `bytes`, to the last byte.
 * @throws {DecodeError} for what is not DER: indefinite or overlong lengths, long tags, an end in the middle, more than
 * `elementsMax` elements.
 */
export function readDer(bytes: Uint8Array, elementsMax = 32): DerElement[] {
  const elements: DerElement[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    if (elements.length >= elementsMax) throw new DecodeError('too many DER elements');
    const element = readElement(bytes, offset);
    elements.push(element);
    offset += element.whole.length;
  }
  return elements;
}

/** The contents of the one element of `tag` that `bytes` is. @throws {DecodeError} if it is anything else. */
export function readOne(bytes: Uint8Array, tag: number): Uint8Array {
  const [element, ...rest] = readDer(bytes);
  if (element === undefined || rest.length > 0 || element.tag !== tag) throw new DecodeError('not the DER expected');
  return element.contents;
}

function readElement(bytes: Uint8Array, offset: number): DerElement {
  const tag = bytes[offset] ?? 0;
  const first = bytes[offset + 1];
  if (first === undefined || (tag & 0x1f) === 0x1f) throw new DecodeError('not DER');
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || octets > 3 || offset + 2 + octets > bytes.length) throw new DecodeError('not a DER length');
  let length = first;
  if (octets > 0) {
    length = 0;
    for (let index = 0; index < octets; index += 1) length = length * 256 + (bytes[offset + 2 + index] ?? 0);
    if (lengthOctets(length).length !== octets + 1) throw new DecodeError('a DER length longer than needed');
  }
  const start = offset + 2 + octets;
  if (start + length > bytes.length) throw new DecodeError('DER ends in the middle');
  return { tag, contents: bytes.subarray(start, start + length), whole: bytes.subarray(offset, start + length) };
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

function base128(arc: number): number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
  return octets;
}
