import { DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { roundLimits } from './limits.ts';

// What `once` writes down are bytes: values of this package go through here.

/** Bytes of a value that has a CBOR form. */
export function toBytes(value: unknown): Uint8Array {
  return encodeCbor(value);
}

/** The value in bytes of one's own journal. */
export function fromBytes<Value>(bytes: Uint8Array): Value {
  return decodeCbor(bytes) as Value; // written by `toBytes` of the same step
}

/** Words as bytes, little-endian. */
export function bytesOfVector(vector: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(vector.length * 4);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < vector.length; index += 1) view.setUint32(index * 4, vector[index] as number, true);
  return bytes;
}

/** The words of little-endian bytes. @throws {DecodeError} when they are no whole number of words, or too many. */
export function vectorOfBytes(bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0 || bytes.length > roundLimits.inputBytesMax) throw new DecodeError('not a vector');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
}
