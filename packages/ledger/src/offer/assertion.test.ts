import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnswerChanges, SoftPasskey } from '../testing/soft-passkey.ts';
import { type EnrolledPasskey, verifyAssertion } from './assertion.ts';
import { toBase64Url } from './base64url.ts';
import { type PasskeyRefusal, PasskeyRefusedError } from './errors.ts';
import type { Hex } from './offer.ts';
import { passkeyLimits } from './passkey-signature.ts';

const challenge: Hex = `0x${'c4'.repeat(32)}`;
const request = { challenge, origins: ['http://localhost', 'https://node.example'], rpId: 'localhost' };
const passkey = new SoftPasskey();
const enrolled: EnrolledPasskey = { credentialId: passkey.credentialId, publicKey: passkey.publicKey, counter: 0 };
type Answer = ReturnType<SoftPasskey['answer']>;

function refusalOf(answer: Answer, known = enrolled, asked = request): PasskeyRefusal | null {
  try {
    verifyAssertion(answer, known, asked);
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(PasskeyRefusedError);
    return (error as PasskeyRefusedError).reason;
  }
}

describe('a passkey’s answer', () => {
  it('holds, with extensions and backup too, and says where the counter is', () => {
    expect(verifyAssertion(passkey.answer(challenge), enrolled, request)).toEqual({ counter: 0, isBackedUp: false });
    const rich: AnswerChanges = { flags: 0x9d, extensions: Uint8Array.of(0xa0) };
    expect(verifyAssertion(passkey.answer(challenge, rich), enrolled, request).isBackedUp).toBe(true);
    const elsewhere = { clientData: { origin: 'https://node.example' } };
    expect(refusalOf(passkey.answer(challenge, elsewhere))).toBeNull();
  });

  it.each<[PasskeyRefusal, string, AnswerChanges]>([
    ['type', 'a new key instead of an answer', { clientData: { type: 'webauthn.create' } }],
    ['type', 'no type', { clientData: { type: undefined } }],
    ['challenge', 'another challenge', { clientData: { challenge: toBase64Url(new Uint8Array(32)) } }],
    ['challenge', 'a padded challenge', { clientData: { challenge: `${toBase64Url(new Uint8Array(32))}=` } }],
    ['challenge', 'a challenge that is no text', { clientData: { challenge: ['x'] } }],
    ['origin', 'another origin', { clientData: { origin: 'https://evil.example' } }],
    ['origin', 'an origin that begins like ours', { clientData: { origin: 'http://localhost.evil.example' } }],
    ['origin', 'an origin in a list', { clientData: { origin: ['http://localhost'] } }],
    ['origin', 'a page within another page', { clientData: { crossOrigin: true } }],
    ['origin', 'a page that names the page around it', { clientData: { topOrigin: 'https://evil.example' } }],
    ['relying-party', 'another relying party', { rpId: 'evil.example' }],
    ['not-present', 'nobody there', { flags: 0x04 }],
    ['not-verified', 'nobody recognised', { flags: 0x01 }],
    ['malformed', 'a copy of what cannot be copied', { flags: 0x15 }],
    ['malformed', 'a new key within', { flags: 0x45 }],
    ['malformed', 'extensions that are not there', { flags: 0x85 }],
    ['malformed', 'bytes that nothing announces', { extensions: Uint8Array.of(0) }],
    ['malformed', 'client data that is a list', { clientText: '[]' }],
    ['malformed', 'client data that is no JSON', { clientText: '{' }],
    ['type', 'client data without anything', { clientText: '{}' }],
    ['type', 'client data with inherited members', { clientText: '{"__proto__":{"type":"webauthn.get"}}' }],
    ['malformed', 'client data that is too long', { clientData: { extra: 'x'.repeat(2_048) } }],
  ])('is refused (%s): %s', (reason, _what, changes) => {
    expect(refusalOf(passkey.answer(challenge, changes))).toBe(reason);
  });

  it('of another passkey, or under its name, is refused', () => {
    const other = new SoftPasskey();
    expect(refusalOf(other.answer(challenge))).toBe('credential');
    const named = { ...other.answer(challenge), credentialId: passkey.credentialId };
    expect(refusalOf(named)).toBe('signature');
  });

  it('to another question is refused', () => {
    expect(refusalOf(passkey.answer(`0x${'00'.repeat(32)}`))).toBe('challenge');
    const elsewhere = { ...request, rpId: 'node.example' };
    expect(refusalOf(passkey.answer(challenge), enrolled, elsewhere)).toBe('relying-party');
    expect(refusalOf(passkey.answer(challenge), enrolled, { ...request, origins: [] })).toBe('origin');
  });

  it('of one that counts has to count on; of one that does not, stays at 0', () => {
    const at = (counter: number) => ({ ...enrolled, counter });
    expect(verifyAssertion(passkey.answer(challenge, { counter: 6 }), at(5), request).counter).toBe(6);
    expect(verifyAssertion(passkey.answer(challenge, { counter: 2 ** 32 - 1 }), at(5), request).counter).toBe(
      2 ** 32 - 1,
    );
    for (const counter of [5, 4, 0]) {
      expect(refusalOf(passkey.answer(challenge, { counter }), at(5))).toBe('counter');
    }
    const counting = new SoftPasskey({ isCounting: true });
    const known = { credentialId: counting.credentialId, publicKey: counting.publicKey };
    const first = verifyAssertion(counting.answer(challenge), { ...known, counter: 0 }, request);
    expect(first.counter).toBe(1);
    const cloned = counting.answer(challenge, { counter: 1 });
    expect(refusalOf(cloned, { ...known, counter: first.counter })).toBe('counter');
  });

  it('is refused for every flipped bit of data and signature', () => {
    const answer = passkey.answer(challenge);
    for (const field of ['authenticatorData', 'signature'] as const) {
      const bytes = Buffer.from(answer[field], 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit += 5) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(refusalOf({ ...answer, [field]: flipped.toString('base64url') })).not.toBeNull();
      }
    }
  });

  it('made of anything at all is refused, and quietly', () => {
    const answer = passkey.answer(challenge);
    const field = fc.constantFrom('authenticatorData', 'clientData', 'signature');
    fc.assert(
      fc.property(field, fc.oneof(fc.anything(), fc.base64String(), fc.string()), (name, value) => {
        expect(refusalOf({ ...answer, [name]: value } as Answer)).not.toBeNull();
      }),
    );
    const long = 'A'.repeat(passkeyLimits.authenticatorDataBytesMax * 2);
    expect(refusalOf({ ...answer, authenticatorData: long })).toBe('malformed');
  });
});
