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

/** Adds `other`, of the same length, to `target`, modulo 2^32. */
export function addWords(target: Uint32Array, other: Uint32Array): void {
  addTo(signed(target), signed(other));
}

const blockBytes = 64 * 1024;
const block = new Uint8Array(blockBytes); // filled and read within one call
const blockWords = new Int32Array(block.buffer);

/** Adds the keystream of `key` to `target`, or takes it away, modulo 2^32. */
export function addMask(target: Uint32Array, key: Uint8Array, sign: 1 | -1): void {
  const stream = createKeystream(key);
  const sums = signed(target);
  for (let start = 0; start < sums.length; start += blockWords.length) {
    const part = sums.subarray(start, start + blockWords.length);
    const terms = blockWords.subarray(0, part.length);
    stream.fill(block.subarray(0, terms.byteLength));
    if (sign === 1) addTo(part, terms);
    else takeFrom(part, terms);
  }
  block.fill(0);
}

// Four at a time: half the time of one at a time, and here most of a sum's time goes.

function addTo(sums: Int32Array, terms: Int32Array): void {
  const fours = sums.length & ~3;
  let at = 0;
  for (; at < fours; at += 4) {
    sums[at] = ((sums[at] as number) + (terms[at] as number)) | 0;
    sums[at + 1] = ((sums[at + 1] as number) + (terms[at + 1] as number)) | 0;
    sums[at + 2] = ((sums[at + 2] as number) + (terms[at + 2] as number)) | 0;
    sums[at + 3] = ((sums[at + 3] as number) + (terms[at + 3] as number)) | 0;
  }
  for (; at < sums.length; at += 1) sums[at] = ((sums[at] as number) + (terms[at] as number)) | 0;
}

function takeFrom(sums: Int32Array, terms: Int32Array): void {
  const fours = sums.length & ~3;
  let at = 0;
  for (; at < fours; at += 4) {
    sums[at] = ((sums[at] as number) - (terms[at] as number)) | 0;
    sums[at + 1] = ((sums[at + 1] as number) - (terms[at + 1] as number)) | 0;
    sums[at + 2] = ((sums[at + 2] as number) - (terms[at + 2] as number)) | 0;
    sums[at + 3] = ((sums[at + 3] as number) - (terms[at + 3] as number)) | 0;
  }
  for (; at < sums.length; at += 1) sums[at] = ((sums[at] as number) - (terms[at] as number)) | 0;
}

/** Signed words are added without leaving small integers; the bits are the same. */
function signed(words: Uint32Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, words.length);
}
