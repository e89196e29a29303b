import { createCipheriv, createSecretKey } from 'node:crypto';
import { AssertionError } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPacketCipher, packetTagBytes } from './packet-cipher.ts';

const key = new Uint8Array(32).fill(7);
const cipher = createPacketCipher(key);
const additional = Uint8Array.of(1, 2);
const plaintext = new TextEncoder().encode('72 bpm');

describe('a packet cipher', () => {
  it('is AES-256-GCM whose nonce is four zero bytes and the number', () => {
    const number = 0x0102030405n;
    const nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5);
    const plain = createCipheriv('aes-256-gcm', createSecretKey(key), nonce);
    plain.setAAD(additional);
    const expected = Buffer.concat([plain.update(plaintext), plain.final(), plain.getAuthTag()]);
    expect(Buffer.from(cipher.seal(number, additional, plaintext))).toEqual(expected);
    expect(Buffer.from(cipher.seal(Number(number), additional, plaintext))).toEqual(expected);
  });

  it('opens under its number, key and associated data only', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.uint8Array(),
        fc.uint8Array(),
        fc.nat(),
        (number, data, text, at) => {
          const sealed = cipher.seal(number, data, text);
          expect(sealed.length).toBe(text.length + packetTagBytes);
          expect(createPacketCipher(key).open(number, data, sealed)).toEqual(text);
          expect(cipher.open(number ^ 1n, data, sealed)).toBeNull();
          expect(cipher.open(number, Uint8Array.of(...data, 0), sealed)).toBeNull();
          const flipped = sealed.slice();
          flipped[at % sealed.length] = (flipped[at % sealed.length] as number) ^ (1 << (at & 7));
          expect(cipher.open(number, data, flipped)).toBeNull();
        },
      ),
      { numRuns: 50 },
    );
    expect(
      createPacketCipher(new Uint8Array(32)).open(0, additional, cipher.seal(0, additional, plaintext)),
    ).toBeNull();
  });

  it('opens nothing that is shorter than a tag', () => {
    for (let length = 0; length < packetTagBytes; length += 1) {
      expect(cipher.open(0, additional, new Uint8Array(length))).toBeNull();
    }
  });

  it('calls a number outside 0 … 2^64-1 a bug', () => {
    for (const number of [-1, 0.5, 2 ** 53, -1n, 1n << 64n]) {
      expect(() => cipher.seal(number, additional, plaintext)).toThrow(AssertionError);
    }
  });
});
