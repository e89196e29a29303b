import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createSigner, generateSeed, verifySignature } from './ed25519.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

describe('Ed25519', () => {
  // RFC 8032 §7.1, tests 1 to 3.
  it.each([
    {
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      message: '',
      signature:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      message: '72',
      signature:
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    },
    {
      seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      message: 'af82',
      signature:
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    },
  ])('signs and verifies as RFC 8032 says: $message', ({ seed, publicKey, message, signature }) => {
    const signer = createSigner(bytes(seed));
    expect(hex(signer.publicKey)).toBe(publicKey);
    expect(hex(signer.sign(bytes(message)))).toBe(signature);
    expect(verifySignature(bytes(publicKey), bytes(message), bytes(signature))).toBe(true);
    expect(verifySignature(bytes(publicKey), bytes(`${message}00`), bytes(signature))).toBe(false);
  });

  it('refuses every flipped bit of a signature, and malformed keys and signatures', () => {
    const signer = createSigner(generateSeed(createSystemRandom()));
    const message = bytes('0102');
    const signature = signer.sign(message);
    for (let bit = 0; bit < 512; bit += 7) {
      const flipped = signature.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifySignature(signer.publicKey, message, flipped)).toBe(false);
    }
    expect(verifySignature(bytes('ff'.repeat(32)), message, signature)).toBe(false);
    expect(verifySignature(signer.publicKey.subarray(1), message, signature)).toBe(false);
    expect(verifySignature(signer.publicKey, message, signature.subarray(1))).toBe(false);
  });

  it('makes no seed from a source that gives one byte over and over', () => {
    const broken = { ...createSystemRandom(), bytes: (length: number) => new Uint8Array(length) };
    expect(() => generateSeed(broken)).toThrow('random source is broken');
  });
});
