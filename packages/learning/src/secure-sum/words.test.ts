import { createKeystream } from '@pulsemesh/crypto';
import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMask, addWords, bytesOfWords, wordsOfBytes } from './words.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);

describe('words', () => {
  it('are added modulo 2^32, whatever their number', () => {
    const pairs = fc.array(fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2 ** 32 - 1 })), { maxLength: 11 });
    fc.assert(
      fc.property(pairs, (values) => {
        const target = Uint32Array.from(values, ([one]) => one);
        addWords(
          target,
          Uint32Array.from(values, ([, other]) => other),
        );
        expect([...target]).toEqual(values.map(([one, other]) => (one + other) % 2 ** 32));
      }),
    );
  });

  it('are little-endian, read in place or from anywhere', () => {
    const bytes = Uint8Array.of(9, 1, 0, 0, 0, 0, 0, 0, 0x80);
    expect([...wordsOfBytes(bytes.subarray(1))]).toEqual([1, 0x80000000]);
    expect([...bytesOfWords(Uint32Array.of(0x01020304))]).toEqual([4, 3, 2, 1]);
    expect(() => wordsOfBytes(bytes)).toThrow(DecodeError);
  });
});

describe('a mask', () => {
  it.each([1, 3, 16_384, 16_385, 40_001])('of %d words is the keystream, and comes off as it went on', (length) => {
    const words = new Uint32Array(length);
    addMask(words, key(1), 1);
    const stream = new Uint8Array(4 * length);
    createKeystream(key(1)).fill(stream);
    expect(Buffer.compare(bytesOfWords(words), stream)).toBe(0);
    addMask(words, key(2), -1);
    addMask(words, key(1), -1);
    addMask(words, key(2), 1);
    expect(words.every((word) => word === 0)).toBe(true);
  });
});
