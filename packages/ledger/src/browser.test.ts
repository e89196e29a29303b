import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Page from './browser.ts';
import { domainOf, offerIdOf } from './contract/typed-data.ts';
import { consentText } from './offer/consent.ts';
import { draftDigest, offerOf } from './offer/draft.ts';
import { grantKeyOf } from './offer/grant-key.ts';
import type { Hex } from './offer/offer.ts';
import { draftJson } from './offer/offer-fields.ts';
import { verifyOfferSignature, verifyRevocation, verifyWithdrawal } from './offer/verify-signature.ts';
import { SoftPasskey } from './testing/soft-passkey.ts';

/** What a page loads when somebody opens consent or audit: kilobytes, gzip. */
const kilobytesMax = 48;
const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-browser-ledger-'));
const domain = domainOf(31_337, `0x${'c0'.repeat(20)}`);
const verifiers = { p256: `0x${'a1'.repeat(20)}`, webAuthn: `0x${'a2'.repeat(20)}` } as const;
const passkey = new SoftPasskey();
const keySalt: Hex = `0x${'5a'.repeat(32)}`;
const salt = new Uint8Array(32).fill(5);
const consent = consentText({
  organisation: 'St Example',
  recipient: '12D3KooWRecipient',
  title: 'Rhythm',
  explanation: '',
  purpose: 'research/rhythm',
  vitals: ['readings'],
  fromSeconds: 1_699_200_000,
  untilSeconds: 1_699_286_400,
  accessForSeconds: 86_400,
  custodians: ['12D3KooWOne', '12D3KooWTwo'],
  compensation: '5',
  token: `0x${'00'.repeat(20)}`,
  atSeconds: 1_699_000_000,
});
let page: typeof Page;
let kilobytes: number;

// The bundle a page gets, over noble; run here, since nothing in it asks where it runs.
beforeAll(async () => {
  const input = fileURLToPath(new URL('./browser.ts', import.meta.url));
  await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const file = join(directory, 'page.mjs');
  const { output } = await bundle.write({ file, minify: true });
  const chunks = output.flatMap((part) => (part.type === 'chunk' ? [part] : []));
  expect(chunks.flatMap((chunk) => chunk.imports)).toEqual([]);
  kilobytes = gzipSync(chunks.map(({ code }) => code).join('')).length / 1_000;
  page = await import(/* @vite-ignore */ pathToFileURL(file).href);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a page', () => {
  const draft = () => ({
    buyer: `0x${'b0'.repeat(20)}` as Hex,
    custodian: `0x${'b1'.repeat(20)}` as Hex,
    arbiter: `0x${'b2'.repeat(20)}` as Hex,
    token: `0x${'00'.repeat(20)}` as Hex,
    price: 5n,
    validUntil: 1_900_000_000,
    deliverWithin: 3600,
    accessFor: 86_400,
    terms: page.termsOf(salt, consent),
    nonce: `0x${'4e'.repeat(32)}` as Hex,
  });

  it('loads no more than it should', () => {
    expect(kilobytes).toBeLessThan(kilobytesMax);
  });

  it('checks what it shows, says yes by one touch, and ends it by another', async () => {
    const shown = page.parseDraft(JSON.parse(JSON.stringify(draftJson(draft()))));
    expect(page.draftDigest(shown, domain)).toBe(draftDigest(draft(), domain));
    expect(page.parseConsent(consent)).toMatchObject({ title: 'Rhythm', compensation: '5' });
    const key = page.grantKeyOf(passkey.secretOf(keySalt));
    expect(key).toEqual(grantKeyOf(passkey.secretOf(keySalt)));
    const signer = page.accountSigner(key);
    const signed = await page.signOffer(page.offerOf(shown, signer.signer), domain, signer);
    expect(signed.offer).toEqual(offerOf(draft(), key.signer));
    expect(signed.grantId).toBe(page.grantIdOf(signed.offer, domain));
    expect(await verifyOfferSignature(signed, domain, verifiers)).toBe('valid');
    const signature = await page.signRevocation(signed.grantId, domain, page.accountSigner(key));
    expect(await verifyRevocation({ offer: signed.offer, signature }, domain, verifiers)).toBe('valid');
  });

  it('signs with the passkey itself where that has no secrets to give, and draws on a purse', async () => {
    const signer: Page.LedgerSigner = {
      signer: page.keySignerOf(verifiers.webAuthn, passkey.publicKey),
      sign: async (digest) => page.passkeySignature(passkey.answer(digest)),
    };
    const signed = await page.signOffer(page.offerOf(draft(), signer.signer), domain, signer);
    expect(signed.grantId).toBe(offerIdOf(signed.offer, domain));
    expect(await verifyOfferSignature(signed, domain, verifiers)).toBe('valid');
    const withdrawal = {
      signer: signer.signer,
      token: signed.offer.token,
      to: signed.offer.buyer,
      amount: 5n,
      nonce: 1n,
      until: 1_900_000_000,
    };
    const signature = await page.signWithdrawal(withdrawal, domain, signer);
    expect(await verifyWithdrawal({ withdrawal, signature }, domain, verifiers)).toBe('valid');
  });
});
