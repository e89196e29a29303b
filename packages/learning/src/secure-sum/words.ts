import { assert } from '@pulsemesh/base';
import { createKeystream } from '@pulsemesh/crypto';
import { DecodeError } from '@pulsemesh/wire';

// Every platform that runs this (x86, ARM, WebAssembly's rules) is little-endian, as the messages are; words are read in place.
assert(new Uint8Array(Uint32Array.of(1).buffer)[0] === 1, 'a little-endian machine');

/** The bytes of words, little-endian, in place. */
export function bytesOfWords(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/**
 * The words of little-endian bytes, in place where they are aligned.
 * @throws {DecodeError} when the bytes are no whole number of words.
 */
export function wordsOfBytes(bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0) throw new DecodeError('a part of a word');
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Uint32Array(bytes.slice().buffer);
}

/** Adds `other` to `target`, modulo 2^32. */
export function addWords(target: Uint32Array, other: Uint32Array): void {
  const [sums, terms] = [signed(target), signed(other)];
  for (let index = 0; index < sums.length; index += 1)
    sums[index] = ((sums[index] as number) + (terms[index] as number)) | 0;
}

const blockBytes = 64 * 1024;
const block = new Uint8Array(blockBytes); // filled and read within one call
const blockWords = new Int32Array(block.buffer);

/** Adds the keystream of `key` to `target`, or takes it away, modulo 2^32. */
export function addMask(target: Uint32Array, key: Uint8Array, sign: 1 | -1): void {
  const stream = createKeystream(key);
  const sums = signed(target);
  for (let start = 0; start < sums.length; start += blockWords.length) {
    const count = Math.min(blockWords.length, sums.length - start);
    stream.fill(block.subarray(0, 4 * count));
    if (sign === 1) addBlock(sums, start, count);
    else subtractBlock(sums, start, count);
  }
  block.fill(0);
}

function addBlock(sums: Int32Array, start: number, count: number): void {
  for (let index = 0; index < count; index += 1)
    sums[start + index] = ((sums[start + index] as number) + (blockWords[index] as number)) | 0;
}

function subtractBlock(sums: Int32Array, start: number, count: number): void {
  for (let index = 0; index < count; index += 1)
    sums[start + index] = ((sums[start + index] as number) - (blockWords[index] as number)) | 0;
}

/** Signed words are added without leaving integers; the bits are the same. */
function signed(words: Uint32Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, words.length);
}
