import { AssertionError, createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { WeakKeyError } from './errors.ts';
import { createX25519Key, generateX25519, x25519, x25519PublicKey } from './x25519.ts';

const random = createSystemRandom();

describe('X25519', () => {
  it('gives both sides one secret', () => {
    const [one, two] = [generateX25519(random), generateX25519(random)];
    expect(x25519PublicKey(one.privateKey)).toEqual(one.publicKey);
    expect(x25519(one.privateKey, two.publicKey)).toEqual(x25519(two.privateKey, one.publicKey));
    expect(createX25519Key(one.privateKey).sharedSecret(two.publicKey)).toEqual(x25519(one.privateKey, two.publicKey));
  });

  it('refuses the all-zero secret, and public keys of another length', () => {
    const { privateKey } = generateX25519(random);
    for (const publicKey of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31)), new Uint8Array(33)]) {
      expect(() => x25519(privateKey, publicKey)).toThrow(WeakKeyError);
    }
    expect(() => createX25519Key(new Uint8Array(31))).toThrow(AssertionError);
  });

  it('makes no key from a source that gives one byte over and over, and shows no private key', () => {
    expect(() => generateX25519({ ...random, bytes: (length) => new Uint8Array(length) })).toThrow('random source');
    expect(JSON.stringify(createX25519Key(random.bytes(32)))).toMatch(/^\{"publicKey":\{[^a-z]*\}\}$/);
  });
});
