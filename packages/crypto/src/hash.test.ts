import { describe, expect, it } from 'vitest';
import { equalSecrets, hkdfSha256, hmacSha256, sha256 } from './hash.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

describe('hashes', () => {
  it('SHA-256 is that of FIPS 180-2, appendix B.1', () => {
    expect(hex(sha256(Buffer.from('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('HMAC-SHA-256 is that of RFC 4231, test case 2', () => {
    const tag = hmacSha256(Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'));
    expect(hex(tag)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  });

  it.each([
    // RFC 5869, appendix A.1 and A.3.
    {
      key: bytes('0b'.repeat(22)),
      salt: bytes('000102030405060708090a0b0c'),
      info: bytes('f0f1f2f3f4f5f6f7f8f9'),
      output: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    },
    {
      key: bytes('0b'.repeat(22)),
      salt: bytes(''),
      info: bytes(''),
      output: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    },
  ])('HKDF-SHA-256 is that of RFC 5869: $output', ({ output, ...input }) => {
    expect(hex(hkdfSha256({ ...input, length: 42 }))).toBe(output);
  });

  it('compares secrets by content', () => {
    expect(equalSecrets(bytes('0102'), bytes('0102'))).toBe(true);
    expect(equalSecrets(bytes('0102'), bytes('0103'))).toBe(false);
    expect(equalSecrets(bytes('0102'), bytes('01'))).toBe(false);
  });
});
