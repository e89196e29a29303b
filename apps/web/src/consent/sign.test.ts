import { createSeededRandom } from '@pulsemesh/base';
import { consentText } from '@pulsemesh/ledger';
import { domainOf, draftDigest, parseDraft, termsOf } from '@pulsemesh/ledger/browser';
import type { DraftView } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { acceptDraft, checkDraft } from './sign.ts';

const chain = { chainId: 7, contract: `0x${'c0'.repeat(20)}` } as const;
const token = `0x${'0'.repeat(40)}` as const;
const account = `0x${'b0'.repeat(20)}` as const;
const salt = `0x${'5a'.repeat(32)}` as const;
const consent = consentText({
  organisation: 'Institute',
  recipient: '12D3KooWFooFooFooFooFooFooFooFooFooFooFooFooFooFooFo',
  title: 'A study',
  explanation: 'To learn.',
  purpose: 'research/rhythm',
  vitals: ['readings'],
  fromSeconds: 3_600,
  untilSeconds: 7_200,
  accessForSeconds: 86_400,
  custodians: ['12D3KooWBarBarBarBarBarBarBarBarBarBarBarBarBarBarBa'],
  compensation: '25',
  token,
  atSeconds: 10,
});

function draftOf(change: Partial<DraftView> = {}): DraftView {
  const offer = {
    ...{ buyer: account, custodian: account, arbiter: account, token, price: '25', validUntil: 99, deliverWithin: 900 },
    ...{ accessFor: 86_400, terms: termsOf(new Uint8Array(32).fill(0x5a), consent), nonce: salt },
  };
  const challenge = draftDigest(parseDraft(offer), domainOf(chain.chainId, chain.contract));
  const price = { units: '25', token, symbol: 'units', decimals: 0 };
  const rest = { draftId: 'd', askId: 'a', keySalt: salt, ...chain, consent, salt, passkeySigner: null, price };
  return { offer, challenge, ...rest, ...change };
}

describe('a draft', () => {
  it('that is what it shows is read out of the document that is signed', () => {
    expect(checkDraft(draftOf())).toMatchObject({ purpose: 'research/rhythm', compensation: '25' });
  });

  it.each([
    ['the terms', { salt: `0x${'5b'.repeat(32)}` }],
    ['the compensation', { price: { ...draftOf().price, units: '26' } }],
    ['what the passkey is asked for', { challenge: salt }],
    ['what the passkey is asked for', { chainId: 8 }],
    ['what the passkey is asked for', { contract: account }],
    ['what the passkey is asked for', { offer: { ...draftOf().offer, buyer: `0x${'b1'.repeat(20)}` } }],
    ['how long it may be read', { offer: { ...draftOf().offer, accessFor: 99 } }],
    ['the compensation', { offer: { ...draftOf().offer, price: '24' } }],
  ] as const)('is not signed where it differs in %s', async (what, change) => {
    const draft = draftOf(change);
    expect(() => checkDraft(draft)).toThrow(`What would be signed is not what is shown (${what})`);
    const untouched = {
      create: () => Promise.reject(new Error('asked')),
      get: () => Promise.reject(new Error('asked')),
    };
    const deps = { credentials: untouched, random: createSeededRandom(1) };
    await expect(acceptDraft(draft, 'AAAA', deps, () => {})).rejects.toThrow('Nothing was signed');
  });

  it.each([
    ['another word in the document', { consent: consent.replace('readings', 'alerts') }],
    ['a document that says more than is shown', { consent: consent.replace('{', '{"zzz":1,') }],
    ['a field more', { offer: { ...draftOf().offer, extra: 1 } }],
  ])('is not signed with %s', (_name, change) => {
    expect(() => checkDraft(draftOf(change))).toThrow();
  });
});
