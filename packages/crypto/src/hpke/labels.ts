import { hkdfExpand, hkdfExtract } from '../hash.ts';

const encoder = new TextEncoder();
const version = encoder.encode('HPKE-v1');

/** The labelled key derivation of RFC 9180 §4, with HKDF-SHA-256, of one suite. */
export interface LabeledKdf {
  extract(salt: Uint8Array, label: string, key: Uint8Array): Uint8Array;
  /** `length` is 1 … 8,160 bytes. */
  expand(pseudoRandomKey: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array;
}

/** Everything derived is bound to `suiteId`: "KEM" or "HPKE" and the numbers of the algorithms. */
export function createLabeledKdf(suiteId: Uint8Array): LabeledKdf {
  return {
    extract: (salt, label, key) => hkdfExtract(salt, join(version, suiteId, encoder.encode(label), key)),
    expand: (pseudoRandomKey, label, info, length) =>
      hkdfExpand(pseudoRandomKey, join(uint16(length), version, suiteId, encoder.encode(label), info), length),
  };
}

/** The suite id: `name`, then each number as two bytes. */
export function suiteIdOf(name: 'KEM' | 'HPKE', ...numbers: readonly number[]): Uint8Array {
  return join(encoder.encode(name), ...numbers.map(uint16));
}

/** One new array with the content of all, in order. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function uint16(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 0xff);
}
