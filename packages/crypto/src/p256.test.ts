import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createP256Key, isP256PublicKey, p256LowerSignature, p256SignatureOfDer, verifyP256 } from './p256.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');
const digestOf = (message: Uint8Array) => new Uint8Array(createHash('sha256').update(message).digest());
const message = new TextEncoder().encode('sample');
const scalar = bytes('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721');
const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const key = createP256Key(scalar);

function publicKeyObject(publicKey: Uint8Array) {
  const [x, y] = [publicKey.subarray(1, 33), publicKey.subarray(33)].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
}

describe('P-256', () => {
  it('gives the key and the signature of RFC 6979 A.2.5, s in the lower half', () => {
    expect(hex(key.publicKey.subarray(1, 33))).toBe('60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6');
    const signature = key.signDigest(digestOf(message));
    expect(hex(signature.subarray(0, 32))).toBe('efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716');
    const s = BigInt('0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8');
    expect(BigInt(`0x${hex(signature.subarray(32))}`)).toBe(order - s);
  });

  it('is that of node:crypto, both ways', () => {
    const signature = key.signDigest(digestOf(message));
    const publicKey = publicKeyObject(key.publicKey);
    expect(verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })).export({ format: 'jwk' });
    const point = Uint8Array.of(4, ...Buffer.from(jwk.x ?? '', 'base64url'), ...Buffer.from(jwk.y ?? '', 'base64url'));
    expect(isP256PublicKey(point)).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (content) => {
        const der = sign('sha256', content, privateKey);
        const compact = p256SignatureOfDer(der) as Uint8Array;
        expect(BigInt(`0x${hex(compact.subarray(32))}`) <= order / 2n).toBe(true);
        expect(verifyP256(point, digestOf(content), compact)).toBe(true);
        expect(verifyP256(point, digestOf(Uint8Array.of(...content, 0)), compact)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it('takes either half of s, and turns the upper one down', () => {
    const low = key.signDigest(digestOf(message));
    const s = order - BigInt(`0x${hex(low.subarray(32))}`);
    const high = Uint8Array.of(...low.subarray(0, 32), ...bytes(s.toString(16).padStart(64, '0')));
    expect(verifyP256(key.publicKey, digestOf(message), high)).toBe(true);
    expect(p256LowerSignature(high)).toEqual(low);
    expect(p256LowerSignature(low)).toEqual(low);
  });

  it('refuses what is no key, no digest, no signature, and every flipped bit', () => {
    const digest = digestOf(message);
    const signature = key.signDigest(digest);
    expect(verifyP256(key.publicKey, digest, signature)).toBe(true);
    for (let bit = 0; bit < 512; bit += 37) {
      const flipped = signature.with(bit >> 3, (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
      expect(verifyP256(key.publicKey, digest, flipped)).toBe(false);
    }
    expect(verifyP256(key.publicKey, digest.subarray(1), signature)).toBe(false);
    expect(verifyP256(key.publicKey, digest, signature.subarray(1))).toBe(false);
    expect(verifyP256(key.publicKey.with(64, 0), digest, signature)).toBe(false);
    expect(verifyP256(new Uint8Array(65), digest, signature)).toBe(false);
    expect(verifyP256(key.publicKey, digest, new Uint8Array(64))).toBe(false);
    expect(isP256PublicKey(new Uint8Array(65))).toBe(false);
    expect(isP256PublicKey(key.publicKey.subarray(1))).toBe(false);
    expect(() => createP256Key(new Uint8Array(32))).toThrow(RangeError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (noise) => {
        expect(p256SignatureOfDer(noise)?.length ?? 64).toBe(64);
        expect(p256LowerSignature(noise)?.length ?? 64).toBe(64);
        expect(verifyP256(noise, noise, noise)).toBe(false);
      }),
    );
  });
});
