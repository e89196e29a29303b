import { readFileSync } from 'node:fs';
import { AssertionError, createSystemRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealBrokenError, WeakKeyError } from '../errors.ts';
import { createX25519Key, generateX25519 } from '../x25519.ts';
import { deriveX25519PrivateKey, dhKemX25519 } from './dhkem-x25519.ts';
import { createHpkeSuite, type HpkeAead, HpkeMessageLimitError } from './hpke.ts';
import { createHybridKey, xWing } from './x-wing.ts';

interface Vector {
  readonly mode: number;
  readonly aead_id: number;
  readonly info: string;
  readonly ikmR?: string;
  readonly ikmS?: string;
  readonly psk?: string;
  readonly psk_id?: string;
  readonly skRm: string;
  readonly skSm?: string;
  readonly skEm: string;
  readonly enc: string;
  readonly ciphertexts: Readonly<Record<string, string>>;
  readonly exports: readonly string[];
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');
const text = (value: string) => new TextEncoder().encode(value);
const fixture = JSON.parse(readFileSync(new URL('../../fixtures/hpke-x25519.json', import.meta.url), 'utf8')) as {
  readonly plaintext: string;
  readonly vectors: readonly Vector[];
};
const aeads: Readonly<Record<number, HpkeAead>> = {
  1: 'aes-128-gcm',
  2: 'aes-256-gcm',
  3: 'chacha20-poly1305',
  65535: 'export-only',
};
const random = createSystemRandom();
const none = new Uint8Array(0);
const exportContexts = [none, Uint8Array.of(0), text('TestContext')];

describe('HPKE with X25519', () => {
  it.each(fixture.vectors)('is that of the published vectors: mode $mode, AEAD $aead_id, $enc', (vector) => {
    const suite = createHpkeSuite(dhKemX25519, aeads[vector.aead_id] ?? 'export-only');
    const recipient = createX25519Key(bytes(vector.skRm));
    const senderKey = vector.skSm === undefined ? undefined : createX25519Key(bytes(vector.skSm));
    if (vector.ikmR !== undefined) expect(hex(deriveX25519PrivateKey(bytes(vector.ikmR)))).toBe(vector.skRm);
    if (vector.ikmS !== undefined) expect(hex(deriveX25519PrivateKey(bytes(vector.ikmS)))).toBe(vector.skSm);
    const psk = vector.psk && { preSharedKey: { key: bytes(vector.psk), id: bytes(vector.psk_id ?? '') } };
    const shared = { info: bytes(vector.info), ...(psk || {}) };
    const sender = suite.createSender(
      { ...shared, recipientPublicKey: recipient.publicKey, ...(senderKey && { senderKey }) },
      { random: { ...random, bytes: () => bytes(vector.skEm) } },
    );
    const opener = suite.createRecipient({
      ...shared,
      encapsulated: bytes(vector.enc),
      recipientKey: recipient,
      ...(senderKey && { senderPublicKey: senderKey.publicKey }),
    });
    expect(hex(sender.encapsulated)).toBe(vector.enc);
    const last = Math.max(-1, ...Object.keys(vector.ciphertexts).map(Number));
    for (let number = 0; number <= last; number += 1) {
      const sealed = sender.seal(text(`Count-${number}`), bytes(fixture.plaintext));
      expect(hex(sealed)).toBe(vector.ciphertexts[number] ?? hex(sealed));
      expect(hex(opener.open(text(`Count-${number}`), sealed))).toBe(fixture.plaintext);
    }
    vector.exports.forEach((value, index) => {
      expect(hex(sender.export(exportContexts[index] ?? none, 32))).toBe(value);
      expect(hex(opener.export(exportContexts[index] ?? none, 32))).toBe(value);
    });
  });
});

describe.each([
  {
    name: 'X25519',
    pair: () => {
      const key = createX25519Key(generateX25519(random).privateKey);
      return contexts(createHpkeSuite(dhKemX25519, 'aes-256-gcm'), key, key.publicKey);
    },
  },
  {
    name: 'X-Wing',
    pair: () => {
      const key = createHybridKey(random.bytes(32));
      return contexts(createHpkeSuite(xWing, 'aes-256-gcm'), key, key.publicKey);
    },
  },
])('a context over $name', ({ pair }) => {
  it('opens what was sealed, in order, and stays as it was where something does not open', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.uint8Array(), fc.uint8Array()), { maxLength: 5 }), (messages) => {
        const { sender, recipient } = pair();
        for (const [additional, plaintext] of messages) {
          const sealed = sender.seal(additional, plaintext);
          expect(() => recipient.open(additional, sealed.subarray(1))).toThrow(SealBrokenError);
          expect(() => recipient.open(Uint8Array.of(...additional, 0), sealed)).toThrow(SealBrokenError);
          expect(recipient.open(additional, sealed)).toEqual(plaintext);
          expect(() => recipient.open(additional, sealed)).toThrow(SealBrokenError);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('refuses every flipped bit, and what is cut', () => {
    const { sender, recipient } = pair();
    const sealed = sender.seal(none, text('72 bpm'));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = sealed.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => recipient.open(none, flipped)).toThrow(SealBrokenError);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => recipient.open(none, sealed.subarray(0, length))).toThrow(SealBrokenError);
    }
    expect(recipient.open(none, sealed)).toEqual(text('72 bpm'));
  });
});

function contexts<Key>(
  suite: ReturnType<typeof createHpkeSuite<Key>>,
  recipientKey: Key,
  recipientPublicKey: Uint8Array,
) {
  const sender = suite.createSender({ recipientPublicKey, info: none }, { random });
  return { sender, recipient: suite.createRecipient({ encapsulated: sender.encapsulated, recipientKey, info: none }) };
}

describe('HPKE refuses', () => {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const recipientKey = createX25519Key(generateX25519(random).privateKey);
  const senderKey = createX25519Key(generateX25519(random).privateKey);
  const stranger = createX25519Key(generateX25519(random).privateKey);
  const to = { recipientPublicKey: recipientKey.publicKey, info: none };

  it('another sender than the one that is expected', () => {
    const sender = suite.createSender({ ...to, senderKey }, { random });
    const sealed = sender.seal(none, text('x'));
    const from = { encapsulated: sender.encapsulated, recipientKey, info: none };
    const open = (input: object) => suite.createRecipient({ ...from, ...input }).open(none, sealed);
    expect(open({ senderPublicKey: senderKey.publicKey })).toEqual(text('x'));
    expect(() => open({ senderPublicKey: stranger.publicKey })).toThrow(SealBrokenError);
    expect(() => open({})).toThrow(SealBrokenError);
    expect(() => open({ senderPublicKey: senderKey.publicKey, info: text('other') })).toThrow(SealBrokenError);
    expect(() => open({ senderPublicKey: senderKey.publicKey, recipientKey: stranger })).toThrow(SealBrokenError);
  });

  it('public keys that give no secret, and keys of another length', () => {
    for (const recipientPublicKey of [
      new Uint8Array(32),
      Uint8Array.of(1, ...new Uint8Array(31)),
      new Uint8Array(31),
    ]) {
      expect(() => suite.createSender({ ...to, recipientPublicKey }, { random })).toThrow(WeakKeyError);
      const from = { encapsulated: recipientPublicKey, recipientKey, info: none };
      expect(() => suite.createRecipient(from)).toThrow(WeakKeyError);
    }
    const hybrid = createHpkeSuite(xWing, 'aes-256-gcm');
    const noKey = { recipientPublicKey: new Uint8Array(1216).fill(0xff), info: none };
    expect(() => hybrid.createSender(noKey, { random })).toThrow(WeakKeyError);
  });

  it('a short pre-shared key, one without id, and a sender where the KEM knows none: bugs', () => {
    const key = random.bytes(32);
    const withKey = (preSharedKey: { key: Uint8Array; id: Uint8Array }) => () =>
      suite.createSender({ ...to, preSharedKey }, { random });
    expect(withKey({ key, id: none })).toThrow(AssertionError);
    expect(withKey({ key: key.subarray(1), id: text('a') })).toThrow(AssertionError);
    const hybridKey = createHybridKey(key);
    const hybridTo = { recipientPublicKey: hybridKey.publicKey, info: none, senderKey: hybridKey };
    expect(() => createHpkeSuite(xWing, 'aes-256-gcm').createSender(hybridTo, { random })).toThrow(AssertionError);
    const exporting = createHpkeSuite(dhKemX25519, 'export-only').createSender(to, { random });
    expect(() => exporting.seal(none, none)).toThrow(AssertionError);
  });

  it('the message past the limit of a context', () => {
    const short = createHpkeSuite(dhKemX25519, 'aes-256-gcm', { messagesMax: 2 });
    const { sender, recipient } = contexts(short, recipientKey, recipientKey.publicKey);
    const sealed = [sender.seal(none, none), sender.seal(none, none)];
    expect(() => sender.seal(none, none)).toThrow(HpkeMessageLimitError);
    for (const each of sealed) recipient.open(none, each);
    expect(() => recipient.open(none, sealed[0] ?? none)).toThrow(HpkeMessageLimitError);
  });
});
