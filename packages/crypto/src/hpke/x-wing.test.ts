import { ml_kem768_x25519 } from '@noble/post-quantum/hybrid.js';
import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { WeakKeyError } from '../errors.ts';
import { createHybridKey, hybridPublicKeyBytes, xWing } from './x-wing.ts';

const random = createSystemRandom();

describe('X-Wing', () => {
  it('makes the keys of another implementation, opens what it encapsulates, and it opens ours', () => {
    const seed = random.bytes(32);
    const theirs = ml_kem768_x25519.keygen(seed);
    const key = createHybridKey(seed);
    expect(key.publicKey).toEqual(theirs.publicKey);
    expect(key.publicKey.length).toBe(hybridPublicKeyBytes);
    const made = ml_kem768_x25519.encapsulate(key.publicKey);
    expect(key.decapsulate(made.cipherText)).toEqual(made.sharedSecret);
    const { encapsulated, sharedSecret } = xWing.encapsulate(key.publicKey, random);
    expect(ml_kem768_x25519.decapsulate(encapsulated, theirs.secretKey)).toEqual(sharedSecret);
  });

  it('gives another secret for every altered byte of a ciphertext, and none for another length', () => {
    const key = createHybridKey(random.bytes(32));
    const { encapsulated, sharedSecret } = xWing.encapsulate(key.publicKey, random);
    expect(xWing.decapsulate(encapsulated, key)).toEqual(sharedSecret);
    for (let index = 0; index < encapsulated.length; index += 13) {
      const altered = encapsulated.slice();
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(xWing.decapsulate(altered, key)).not.toEqual(sharedSecret);
    }
    expect(() => key.decapsulate(encapsulated.subarray(1))).toThrow(WeakKeyError);
    expect(() => xWing.encapsulate(key.publicKey.subarray(1), random)).toThrow(WeakKeyError);
  });
});
