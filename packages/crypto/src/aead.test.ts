import { describe, expect, it } from 'vitest';
import * as primitives from '#primitives';
import { decryptFrom, encryptInto } from './aead.ts';
import { SealBrokenError } from './errors.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const none = new Uint8Array(0);

describe('AES-256-GCM', () => {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16, as submitted to NIST.
  it.each([
    {
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      plain: '',
      additional: '',
      out: '530f8afbc74536b9a963b4f1c4cb738b',
    },
    {
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      plain: '00'.repeat(16),
      additional: '',
      out: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    },
    {
      key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      plain:
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      additional: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      out: '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    },
  ])('gives the published ciphertext and tag: $out', ({ key, nonce, plain, additional, out }) => {
    const secret = primitives.importAead('aes-256-gcm', bytes(key));
    const sealed = encryptInto(none, secret, bytes(nonce), bytes(additional), bytes(plain));
    expect(Buffer.from(sealed).toString('hex')).toBe(nonce + out);
    expect(decryptFrom(0, secret, bytes(additional), sealed)).toEqual(bytes(plain));
  });

  it('refuses what is too short to hold a nonce and a tag', () => {
    const secret = primitives.importAead('aes-256-gcm', bytes('00'.repeat(32)));
    for (let length = 0; length < 28; length += 1) {
      expect(() => decryptFrom(0, secret, none, new Uint8Array(length))).toThrow(SealBrokenError);
    }
  });
});
