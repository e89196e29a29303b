import { createECDH } from 'node:crypto';
import fc from 'fast-check';
import { recoverAddress } from 'viem';
import { privateKeyToAccount, sign } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import { createSecp256k1Key, isSecp256k1PrivateKey } from './secp256k1.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

describe('secp256k1', () => {
  it('has the public keys of node:crypto and the signatures of viem', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isSecp256k1PrivateKey),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        async (privateKey, digest) => {
          const key = createSecp256k1Key(privateKey);
          const pair = createECDH('secp256k1');
          pair.setPrivateKey(privateKey);
          expect(hex(key.publicKey)).toBe(pair.getPublicKey('hex'));
          const signature = key.signDigest(digest);
          const theirs = await sign({ hash: `0x${hex(digest)}`, privateKey: `0x${hex(privateKey)}`, to: 'hex' });
          const v = signature[64] === 1 ? '1c' : '1b';
          expect(`0x${hex(signature.subarray(0, 64))}${v}`).toBe(theirs);
          const { address } = privateKeyToAccount(`0x${hex(privateKey)}`);
          expect(await recoverAddress({ hash: `0x${hex(digest)}`, signature: theirs })).toBe(address);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('takes no scalar outside 1 … n-1, and none of another length', () => {
    const order = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';
    for (const none of [new Uint8Array(32), new Uint8Array(32).fill(255), bytes(order), new Uint8Array(31).fill(1)]) {
      expect(isSecp256k1PrivateKey(none)).toBe(false);
      expect(() => createSecp256k1Key(none)).toThrow(RangeError);
    }
    expect(isSecp256k1PrivateKey(bytes(`${order.slice(0, -1)}0`))).toBe(true);
  });
});
