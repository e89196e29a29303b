import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSeededRandom, createSystemRandom } from '@pulsemesh/base';
import { rolldown } from 'rolldown';
import { describe, expect, it, vi } from 'vitest';
import * as noblePrimitives from './primitives/browser.ts';

vi.mock('#primitives', () => import('./primitives/browser.ts'));

const primitives = await import('#primitives');
const crypto = await import('./index.ts');
const text = (value: string) => new TextEncoder().encode(value);
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

// Everything above the primitives, over those a browser gets. That both give the same bytes is the contract test's.
describe('in a browser', () => {
  it('the primitives are those of noble, and a bundle asks for nothing of Node', async () => {
    expect(primitives.sha256).toBe(noblePrimitives.sha256);
    const input = fileURLToPath(new URL('./index.ts', import.meta.url));
    await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
    const { output } = await bundle.generate();
    expect(output.flatMap((part) => (part.type === 'chunk' ? part.imports : []))).toEqual([]);
  });

  it('a box sealed on a server opens', () => {
    const box = crypto.createBox(new Uint8Array(32).fill(3), { random: createSeededRandom(5) });
    const name = text('table/1');
    const sealed =
      '0159d327516c2ea21666d14f21d1415c0ab75eee864fa2c0476b263ce04bc7938e8da64bacd860162e6a50c048de99a07c798b40';
    expect(box.open(bytes(sealed), name)).toEqual(name);
    expect(hex(box.seal(name, name))).toBe(sealed);
  });

  it('HPKE gives the published ciphertext', () => {
    const file = new URL('../fixtures/hpke-x25519.json', import.meta.url);
    const { vectors, plaintext } = JSON.parse(readFileSync(file, 'utf8'));
    for (const vector of vectors) {
      if (vector.aead_id !== 2 || vector.psk !== undefined) continue;
      const suite = crypto.createHpkeSuite(crypto.dhKemX25519, 'aes-256-gcm');
      const sender = suite.createSender(
        {
          recipientPublicKey: crypto.x25519PublicKey(bytes(vector.skRm)),
          info: bytes(vector.info),
          ...(vector.skSm && { senderKey: crypto.createX25519Key(bytes(vector.skSm)) }),
        },
        { random: { ...createSystemRandom(), bytes: () => bytes(vector.skEm) } },
      );
      expect(hex(sender.encapsulated)).toBe(vector.enc);
      expect(hex(sender.seal(text('Count-0'), bytes(plaintext)))).toBe(vector.ciphertexts[0]);
    }
  });

  it('X-Wing gives the secret of the draft, appendix C, first vector', () => {
    const key = crypto.createHybridKey(bytes('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26'));
    // The draft's coins: ML-KEM's, then the ephemeral X25519 key.
    const coins = [
      '3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2',
      '35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2',
    ].map(bytes);
    const random = { ...createSystemRandom(), bytes: () => coins.shift() ?? new Uint8Array(0) };
    const { encapsulated, sharedSecret } = crypto.xWing.encapsulate(key.publicKey, random);
    expect(hex(sharedSecret)).toBe('d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384');
    expect(key.decapsulate(encapsulated)).toEqual(sharedSecret);
  });

  it('signatures, passphrases, key trees and packets work', async () => {
    const signer = crypto.createSigner(new Uint8Array(32).fill(2));
    expect(crypto.verifySignature(signer.publicKey, text('x'), signer.sign(text('x')))).toBe(true);
    expect(crypto.verifySignature(signer.publicKey, text('y'), signer.sign(text('x')))).toBe(false);
    expect(crypto.verifySignature(new Uint8Array(32).fill(255), text('x'), signer.sign(text('x')))).toBe(false);
    const cost = { salt: text('SodiumChloride'), costLog2: 14, blockSize: 8, parallelism: 1 };
    const key = await crypto.derivePassphraseKey('pleaseletmein', cost); // RFC 7914 §12
    expect(hex(key)).toBe('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2');
    const tree = crypto.createKeyTree(key);
    const place = { kind: 1, bucketSeconds: 1_700_000_000, id: tree.recordId(1, 's42'), revision: 0 };
    const sealed = tree.seal(place, text('72 bpm'), createSystemRandom());
    expect(tree.open(place, sealed)).toEqual(text('72 bpm'));
    const cipher = crypto.createPacketCipher(key);
    expect(cipher.open(1, text(''), cipher.seal(1, text(''), text('a')))).toEqual(text('a'));
    expect(cipher.open(2, text(''), cipher.seal(1, text(''), text('a')))).toBeNull();
  });
});
