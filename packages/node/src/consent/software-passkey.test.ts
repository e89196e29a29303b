import { grantKeyOf, verifyAssertion } from '@pulsemesh/ledger';
import { describe, expect, it } from 'vitest';
import { createSoftwarePasskey } from './software-passkey.ts';

const page = { origin: 'http://localhost:8080', rpId: 'localhost' };
const secret = new Uint8Array(32).fill(7);
const challenge = new Uint8Array(32).fill(1);
const salt = new Uint8Array(32).fill(2);

describe('a passkey of software', () => {
  it('answers as a page of its home accepts', () => {
    const passkey = createSoftwarePasskey(secret, page);
    const { credentialId, publicKey } = passkey.enrolment;
    const enrolled = { credentialId, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')), counter: 0 };
    const asked = { challenge: `0x${'01'.repeat(32)}` as const, origins: [page.origin], rpId: page.rpId };
    for (let fill = 0; fill < 20; fill += 1) {
      const other = new Uint8Array(32).fill(fill);
      const { assertion } = passkey.answer(other, salt);
      const hex = `0x${Buffer.from(other).toString('hex')}` as const;
      expect(verifyAssertion(assertion, enrolled, { ...asked, challenge: hex })).toMatchObject({ counter: 0 });
    }
    const elsewhere = createSoftwarePasskey(secret, { ...page, origin: 'http://evil.example' });
    expect(() => verifyAssertion(elsewhere.answer(challenge, salt).assertion, enrolled, asked)).toThrow('origin');
  });

  it('gives the same secret for the same salt, and another for another', () => {
    const [one, other] = [createSoftwarePasskey(secret, page), createSoftwarePasskey(secret, page)];
    const key = grantKeyOf(one.answer(challenge, salt).prfOutput).signer;
    expect(grantKeyOf(other.answer(challenge, salt).prfOutput).signer).toBe(key);
    expect(grantKeyOf(one.answer(challenge, challenge).prfOutput).signer).not.toBe(key);
  });
});
