import fc from 'fast-check';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import { consentTypes, domainOf, offerIdOf } from '../contract/typed-data.ts';
import { SoftPasskey } from '../testing/soft-passkey.ts';
import { offerOf } from './draft.ts';
import { OfferMalformedError, PasskeyRefusedError } from './errors.ts';
import { grantKeyOf } from './grant-key.ts';
import type { Hex } from './offer.ts';
import { passkeySignature } from './passkey-signature.ts';
import {
  accountSigner,
  keySignerOf,
  type LedgerSigner,
  p256Signer,
  signOffer,
  signReceipt,
  signRevocation,
  signWithdrawal,
} from './signing.ts';
import {
  verifyOfferSignature,
  verifyReceipt,
  verifyRevocation,
  verifySignatureOf,
  verifyWithdrawal,
} from './verify-signature.ts';

const domain = domainOf(31_337, `0x${'c0'.repeat(20)}`);
const verifiers = { p256: `0x${'a1'.repeat(20)}`, webAuthn: `0x${'a2'.repeat(20)}` } as const;
const key = grantKeyOf(new Uint8Array(32).fill(9));
const account = accountSigner(key);
const passkey = new SoftPasskey();
const passkeyItself: LedgerSigner = {
  signer: keySignerOf(verifiers.webAuthn, passkey.publicKey),
  sign: async (digest) => passkeySignature(passkey.answer(digest)),
};
const card = p256Signer(new Uint8Array(32).fill(7), verifiers.p256);
const draft = {
  buyer: `0x${'b0'.repeat(20)}`,
  custodian: `0x${'b1'.repeat(20)}`,
  arbiter: `0x${'b2'.repeat(20)}`,
  token: `0x${'00'.repeat(20)}`,
  price: 5n,
  validUntil: 1_900_000_000,
  deliverWithin: 3600,
  accessFor: 86_400,
  terms: `0x${'7e'.repeat(32)}`,
  nonce: `0x${'4e'.repeat(32)}`,
} as const;
const signers: readonly (readonly [string, LedgerSigner])[] = [
  ['an account', account],
  ['a P-256 key', card],
  ['a passkey', passkeyItself],
];

describe('the key of a grant', () => {
  it('is the same for the same secret, and another for another', () => {
    expect(grantKeyOf(new Uint8Array(32).fill(9))).toEqual(key);
    expect(grantKeyOf(new Uint8Array(32).fill(8)).signer).not.toBe(key.signer);
    expect(key.signer).toMatch(/^0x[0-9a-f]{40}$/);
    expect(privateKeyToAccount(key.privateKey).address.toLowerCase()).toBe(key.signer);
  });

  it('stays what it is: a change here takes patients their consent and money', () => {
    expect(grantKeyOf(new Uint8Array(32).map((_, index) => index)).signer).toBe(
      '0x08a3f6d7c71a7d26c2a29e7178d0986dd8e33dee',
    );
  });

  it('comes out of the same passkey and salt alone', () => {
    const salts: readonly Hex[] = [`0x${'01'.repeat(32)}`, `0x${'02'.repeat(32)}`];
    const found = [passkey, new SoftPasskey()].flatMap((some) =>
      salts.map((salt) => grantKeyOf(some.secretOf(salt)).signer),
    );
    expect(new Set(found).size).toBe(4);
    expect(grantKeyOf(passkey.secretOf(salts[0] as Hex)).signer).toBe(found[0]);
  });
});

describe.each(signers)('%s', (_name, signer) => {
  const offer = offerOf(draft, signer.signer);

  it('signs an offer, which another deployment, another id and another offer do not take', async () => {
    const signed = await signOffer(offer, domain, signer);
    expect(await verifyOfferSignature(signed, domain, verifiers)).toBe('valid');
    const elsewhere = domainOf(1, domain.verifyingContract);
    expect(await verifyOfferSignature(signed, elsewhere, verifiers)).toBe('invalid');
    const moved = { ...signed, grantId: offerIdOf(offer, elsewhere) };
    expect(await verifyOfferSignature(moved, elsewhere, verifiers)).not.toBe('valid');
    const dearer = { ...offer, price: 6n };
    const forged = { ...signed, offer: dearer, grantId: offerIdOf(dearer, domain) };
    expect(await verifyOfferSignature(forged, domain, verifiers)).not.toBe('valid');
    await expect(signOffer({ ...offer, patient: draft.buyer }, domain, signer)).rejects.toThrow(OfferMalformedError);
  });

  it('signs a revocation and a withdrawal, and neither passes for the other', async () => {
    const grantId = offerIdOf(offer, domain);
    const revocation = await signRevocation(grantId, domain, signer);
    expect(await verifyRevocation({ offer, signature: revocation }, domain, verifiers)).toBe('valid');
    const withdrawal = {
      signer: signer.signer,
      token: draft.token,
      to: draft.buyer,
      amount: 5n,
      nonce: 0n,
      until: 1_900_000_000,
    };
    const signature = await signWithdrawal(withdrawal, domain, signer);
    expect(await verifyWithdrawal({ withdrawal, signature }, domain, verifiers)).toBe('valid');
    for (const change of [{ to: draft.arbiter }, { amount: 6n }, { nonce: 1n }, { until: 5 }, { token: draft.buyer }]) {
      const other = { withdrawal: { ...withdrawal, ...change }, signature };
      expect(await verifyWithdrawal(other, domain, verifiers)).not.toBe('valid');
    }
    expect(await verifyWithdrawal({ withdrawal, signature: revocation }, domain, verifiers)).not.toBe('valid');
    expect(await verifyRevocation({ offer, signature }, domain, verifiers)).not.toBe('valid');
    const ofAnother = { ...withdrawal, signer: draft.buyer };
    await expect(signWithdrawal(ofAnother, domain, signer)).rejects.toThrow(OfferMalformedError);
  });

  it('is believed for no changed byte of its signature', async () => {
    const { signature, ...rest } = await signOffer(offer, domain, signer);
    await fc.assert(
      fc.asyncProperty(fc.nat(signature.length - 3), fc.integer({ min: 1, max: 15 }), async (at, flip) => {
        const digit = (Number.parseInt(signature[at + 2] as string, 16) ^ flip).toString(16);
        const changed = `${signature.slice(0, at + 2)}${digit}${signature.slice(at + 3)}` as Hex;
        expect(await verifyOfferSignature({ ...rest, signature: changed }, domain, verifiers)).not.toBe('valid');
      }),
      { numRuns: 40 },
    );
  });

  it('is believed for nothing longer, shorter or made up', async () => {
    const { signature, grantId } = await signOffer(offer, domain, signer);
    const made = [signature.slice(0, -2), `${signature}00`, '0x', '0x1', 'zz', `0x${'ff'.repeat(9_000)}`] as Hex[];
    for (const other of made) {
      const claim = { signer: signer.signer, digest: grantId, signature: other };
      expect(await verifySignatureOf(claim, verifiers)).not.toBe('valid');
    }
  });
});

describe('a signature', () => {
  const digest: Hex = `0x${'d1'.repeat(32)}`;

  it('of an account is viem’s own for the same typed data', async () => {
    const offer = offerOf(draft, key.signer);
    const { signature } = await signOffer(offer, domain, account);
    const other = await privateKeyToAccount(key.privateKey).signTypedData({
      domain,
      types: consentTypes,
      primaryType: 'Offer',
      message: offer,
    });
    expect(signature).toBe(other);
  });

  it('in its other half, which contracts refuse, is not valid here either', async () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const signature = await account.sign(digest);
    const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0');
    const v = signature.endsWith('1b') ? '1c' : '1b';
    const high: Hex = `0x${signature.slice(2, 66)}${s}${v}`;
    expect(await verifySignatureOf({ signer: account.signer, digest, signature: high }, verifiers)).toBe('ask-chain');
  });

  it('of what may be a contract, or of an unknown verifier, is for the chain to check', async () => {
    const signature: Hex = '0x1234';
    expect(await verifySignatureOf({ signer: draft.buyer, digest, signature }, verifiers)).toBe('ask-chain');
    const signer: Hex = `0x${'cc'.repeat(20)}${'01'.repeat(64)}`;
    expect(await verifySignatureOf({ signer, digest, signature }, verifiers)).toBe('ask-chain');
    const nowhere = { p256: null, webAuthn: null };
    expect(await verifySignatureOf({ signer: card.signer, digest, signature }, nowhere)).toBe('ask-chain');
  });

  it('of a key that is no point, or of a signer too short or too long, is nobody’s', async () => {
    const signature = await card.sign(digest);
    const cases = [
      `${verifiers.p256}${'01'.repeat(64)}`,
      `${card.signer}00`,
      card.signer.slice(0, -2),
      '0x01',
      `0x${'aa'.repeat(1_025)}`,
    ];
    for (const signer of cases as Hex[]) {
      expect(await verifySignatureOf({ signer, digest, signature }, verifiers)).toBe('invalid');
    }
    expect(() => keySignerOf(verifiers.p256, new Uint8Array(65))).toThrow(OfferMalformedError);
  });

  it('of a buyer says that the key opened', async () => {
    const receipt = { offer: digest, delivery: `0x${'de'.repeat(32)}` } as const;
    const claim = { buyer: account.signer, receipt, signature: await signReceipt(receipt, domain, account) };
    expect(await verifyReceipt(claim, domain)).toBe('valid');
    expect(await verifyReceipt({ ...claim, receipt: { ...receipt, delivery: digest } }, domain)).toBe('ask-chain');
  });
});

describe('a passkey as the signer', () => {
  const digest: Hex = `0x${'d2'.repeat(32)}`;
  const verdictOf = (changes: Parameters<SoftPasskey['answer']>[1]) =>
    verifySignatureOf(
      { signer: passkeyItself.signer, digest, signature: passkeySignature(passkey.answer(digest, changes)) },
      verifiers,
    );

  it('is refused as the contract does it: nobody there, nobody recognised, copies that cannot be', async () => {
    expect(await verdictOf({})).toBe('valid');
    expect(await verdictOf({ flags: 0x1d })).toBe('valid');
    for (const flags of [0x00, 0x01, 0x04, 0x15]) expect(await verdictOf({ flags })).toBe('invalid');
    expect(await verdictOf({ clientData: { challenge: 'AAAA' } })).toBe('invalid');
  });

  it('gives no signature for answers that do not say what was signed', () => {
    expect(() => passkeySignature(passkey.answer(digest, { clientText: '{}' }))).toThrow(PasskeyRefusedError);
    const created = { clientData: { type: 'webauthn.create' } };
    expect(() => passkeySignature(passkey.answer(digest, created))).toThrow(PasskeyRefusedError);
    const answer = passkey.answer(digest);
    for (const field of ['authenticatorData', 'clientData', 'signature'] as const) {
      for (const value of ['=', 'A', `${answer[field]}A`.repeat(80), 'Zh', 'ä', 5 as unknown as string]) {
        expect(() => passkeySignature({ ...answer, [field]: value })).toThrow(PasskeyRefusedError);
      }
    }
  });
});
