import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testKey } from './test-authority.ts';
import { enrolmentTokenLimits, formatEnrolmentToken, parseEnrolmentToken } from './token.ts';

const token = {
  relayUrl: 'https://relay.example.org:8443',
  relayPeer: testKey(1).peerId,
  rootFingerprint: new Uint8Array(32).fill(7),
  secret: new Uint8Array(16).fill(9),
};
const text = formatEnrolmentToken(token);

const refused = (damaged: string, code: RegExp) => {
  let found: unknown;
  try {
    parseEnrolmentToken(damaged);
  } catch (error) {
    found = error;
  }
  expect(found).toMatchObject({ name: 'EnrolmentTokenError', code: expect.stringMatching(code) });
};

describe('an enrolment token', () => {
  it('is one word that says the same again, also broken over lines, also without a secret', () => {
    expect(text).toMatch(/^pm1\.[\w.-]+$/);
    expect(parseEnrolmentToken(text)).toEqual(token);
    expect(parseEnrolmentToken(`  ${text.slice(0, 70)}\n\t${text.slice(70)}\r\n`)).toEqual(token);
    const address = { ...token, secret: null };
    expect(parseEnrolmentToken(formatEnrolmentToken(address))).toEqual(address);
  });

  it('is refused cut, with any letter changed, too long, or as something else', () => {
    for (let length = 4; length < text.length; length += 1)
      refused(text.slice(0, length), /token-(checksum|malformed)/);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('a', 'Z', '0', '-', '.', '§'), (at, letter) => {
        if (text[at] === letter) return;
        refused(`${text.slice(0, at)}${letter}${text.slice(at + 1)}`, /token-(checksum|malformed)/);
      }),
    );
    refused('a'.repeat(enrolmentTokenLimits.charactersMax + 1), /token-too-long/);
    refused('pm2.a.b.c.d.e', /token-malformed/);
    refused(`${text}.more`, /token-/);
    fc.assert(fc.property(fc.string(), (anything) => refused(anything, /^token-/)));
  });

  it('does not take an address that holds a password, or is none', () => {
    for (const relayUrl of ['https://me:secret@relay.example', 'ftp://relay.example', 'relay', ''])
      refused(formatEnrolmentToken({ ...token, relayUrl }), /token-malformed/);
  });
});
