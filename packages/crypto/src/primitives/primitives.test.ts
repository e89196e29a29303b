import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as browser from './browser.ts';
import * as node from './node.ts';
import type { AeadAlgorithm, Primitives } from './primitives.ts';

const both: readonly { readonly name: string; readonly ours: Primitives; readonly other: Primitives }[] = [
  { name: 'node:crypto', ours: node, other: browser },
  { name: 'noble', ours: browser, other: node },
];
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array | null | undefined) => Buffer.from(value ?? []).toString('hex');
const text = (value: string) => new TextEncoder().encode(value);
const anyBytes = fc.uint8Array({ maxLength: 300 });
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const runs = { numRuns: 25 };
const rfc7748 = {
  alice: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
  alicePublic: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  bobPublic: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  shared: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
};
// Points whose order divides 8: zero, one, and two of order 8.
const smallOrder = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
];

describe.each(both)('the primitives of $name', ({ ours, other }) => {
  it('hash as published: SHA-256, SHA3-256, SHAKE256, HMAC-SHA-256', () => {
    // FIPS 180-2 appendix B.1; NIST's examples for FIPS 202; RFC 4231 test case 2.
    expect(hex(ours.sha256(text('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(hex(ours.sha3of256(text('abc')))).toBe('3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532');
    expect(hex(ours.shake256(text(''), 32))).toBe('46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f');
    const tag = ours.hmacSha256(text('Jefe'), text('what do ya want for nothing?'));
    expect(hex(tag)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  });

  it('exchange keys as RFC 7748 §6.1 says, and refuse points that give no secret', () => {
    const alice = ours.importX25519(bytes(rfc7748.alice));
    expect(hex(alice.publicKey)).toBe(rfc7748.alicePublic);
    expect(hex(alice.sharedSecret(bytes(rfc7748.bobPublic)))).toBe(rfc7748.shared);
    for (const point of smallOrder) expect(alice.sharedSecret(bytes(point))).toBeNull();
  });

  it('sign as RFC 8032 §7.1 (test 3) says', () => {
    const key = ours.importEd25519(bytes('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'));
    expect(hex(key.publicKey)).toBe('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025');
    expect(hex(key.sign(bytes('af82')))).toBe(
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    );
  });

  it.each([
    {
      algorithm: 'aes-128-gcm', // NIST, The Galois/Counter Mode of Operation, test case 4
      key: 'feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      additional: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      plaintext:
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      sealed:
        '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    },
    {
      algorithm: 'chacha20-poly1305', // RFC 8439 §2.8.2
      key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
      nonce: '070000004041424344454647',
      additional: '50515253c0c1c2c3c4c5c6c7',
      plaintext: hex(
        text(
          "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
        ),
      ),
      sealed:
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
    },
  ])('seal as published: $algorithm', ({ algorithm, key, nonce, additional, plaintext, sealed }) => {
    const aead = ours.importAead(algorithm as AeadAlgorithm, bytes(key));
    const target = new Uint8Array(sealed.length / 2);
    aead.sealInto(target, 0, bytes(nonce), bytes(additional), bytes(plaintext));
    expect(hex(target)).toBe(sealed);
    expect(hex(aead.open(bytes(nonce), bytes(additional), target))).toBe(plaintext);
  });

  it('derive from passphrases what the other does', async () => {
    const cost = { costLog2: 10, blockSize: 8, parallelism: 2, length: 40 };
    expect(await ours.scrypt('p\u00e4ss', text('salt'), cost)).toEqual(
      await other.scrypt('p\u00e4ss', text('salt'), cost),
    );
  });

  it('open what the other sealed, and nothing else', () => {
    const algorithms = fc.constantFrom<AeadAlgorithm>('aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305');
    fc.assert(
      fc.property(algorithms, key32, anyBytes, anyBytes, fc.nat(), (algorithm, key, additional, plaintext, at) => {
        const raw = key.subarray(0, algorithm === 'aes-128-gcm' ? 16 : 32);
        const nonce = key.slice(20);
        const sealed = new Uint8Array(3 + plaintext.length + 16);
        other.importAead(algorithm, raw).sealInto(sealed, 3, nonce, additional, plaintext);
        const opener = ours.importAead(algorithm, raw);
        expect(opener.open(nonce, additional, sealed.subarray(3))).toEqual(plaintext);
        const index = 3 + (at % (sealed.length - 3));
        sealed[index] = (sealed[index] as number) ^ (1 << (at & 7));
        expect(opener.open(nonce, additional, sealed.subarray(3))).toBeNull();
        expect(nonce).toEqual(key.slice(20));
      }),
      runs,
    );
  });

  it('hash, sign and exchange as the other does, for any input', () => {
    fc.assert(
      fc.property(key32, key32, anyBytes, fc.integer({ min: 1, max: 200 }), (one, two, message, length) => {
        expect(ours.sha256(message)).toEqual(other.sha256(message));
        expect(ours.sha3of256(message)).toEqual(other.sha3of256(message));
        expect(ours.shake256(message, length)).toEqual(other.shake256(message, length));
        expect(ours.hmacSha256(message, one)).toEqual(other.hmacSha256(message, one));
        expect(ours.equalSecrets(one, one.slice())).toBe(true);
        expect(ours.equalSecrets(one, two)).toBe(hex(one) === hex(two));
        const signature = ours.importEd25519(one).sign(message);
        const publicKey = other.importEd25519(one).publicKey;
        expect(ours.importEd25519(one).publicKey).toEqual(publicKey);
        expect(other.importEd25519Public(publicKey)?.verify(message, signature)).toBe(true);
        const [mine, theirs] = [ours.importX25519(one), other.importX25519(two)];
        expect(mine.sharedSecret(theirs.publicKey)).toEqual(theirs.sharedSecret(mine.publicKey));
      }),
      { numRuns: 10 },
    );
  });

  it('encapsulate to the other, and it reads the same keys from a seed', () => {
    const random = createSeededRandom(9);
    const seed = random.bytes(64);
    const theirs = other.importMlKem768(seed);
    expect(ours.importMlKem768(seed).publicKey).toEqual(theirs.publicKey);
    const made = ours.mlKem768Encapsulate(theirs.publicKey, () => random.bytes(32));
    expect(theirs.decapsulate(made?.ciphertext ?? new Uint8Array(0))).toEqual(made?.sharedSecret);
    expect(ours.mlKem768Encapsulate(new Uint8Array(1184).fill(0xff), () => random.bytes(32))).toBeNull();
    // Implicit rejection (FIPS 203 §6.3): an altered ciphertext gives both the same secret, which is not the real one.
    const altered = made?.ciphertext.slice() ?? new Uint8Array(0);
    altered[5] = (altered[5] as number) ^ 1;
    expect(ours.importMlKem768(seed).decapsulate(altered)).toEqual(theirs.decapsulate(altered));
    expect(theirs.decapsulate(altered)).not.toEqual(made?.sharedSecret);
  });

  it('know no key from bytes that are no point', () => {
    const message = text('x');
    const signature = ours.importEd25519(new Uint8Array(32).fill(1)).sign(message);
    expect(ours.importEd25519Public(bytes('ff'.repeat(32)))?.verify(message, signature) ?? false).toBe(false);
  });
});
