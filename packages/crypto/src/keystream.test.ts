import { AssertionError } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeystream } from './keystream.ts';
import * as browser from './primitives/browser.ts';
import * as node from './primitives/node.ts';

const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');
const zeroKey = new Uint8Array(32);
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('a keystream', () => {
  it('is AES-256 over the counters from 0, as published', () => {
    // The blocks of key 0 and counters 0, 1, 2: H, tag of test case 13 and ciphertext of test case 14 of the GCM specification.
    const target = new Uint8Array(48);
    createKeystream(zeroKey).fill(target);
    expect(hex(target)).toBe(
      'dc95c078a2408989ad48a21492842087530f8afbc74536b9a963b4f1c4cb738bcea7403d4d606b6e074ec5d3baf39d18',
    );
  });

  it('is the same on servers and in browsers, however it is cut', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(key32, cuts, (key, lengths) => {
        const whole = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
        createKeystream(key).fill(whole);
        for (const { aes256Counter } of [node, browser]) {
          const fill = aes256Counter(key);
          const parts = lengths.map((length) => {
            const part = new Uint8Array(length).fill(0xaa);
            fill(part);
            return part;
          });
          expect(Buffer.concat(parts).equals(whole)).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is the same past the blocks in which servers make it', () => {
    const [whole, parts] = [new Uint8Array(150_000), new Uint8Array(150_000)];
    node.aes256Counter(zeroKey)(whole);
    const fill = browser.aes256Counter(zeroKey);
    fill(parts.subarray(0, 70_001));
    fill(parts.subarray(70_001));
    expect(Buffer.from(parts).equals(whole)).toBe(true);
  });

  it('ends where its limit is, and writes nothing then', () => {
    const stream = createKeystream(zeroKey, { bytesMax: 20 });
    stream.fill(new Uint8Array(20));
    const target = new Uint8Array(1);
    expect(() => stream.fill(target)).toThrow(AssertionError);
    expect(target[0]).toBe(0);
    expect(() => createKeystream(new Uint8Array(31))).toThrow(AssertionError);
  });
});
