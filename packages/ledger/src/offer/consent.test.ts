import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConsentTerms,
  consentLimits,
  consentSaltBytes,
  consentSystems,
  consentText,
  parseConsent,
  readConsent,
  termsOf,
} from './consent.ts';
import { ConsentMalformedError } from './errors.ts';

const terms: ConsentTerms = {
  organisation: 'St Example Hospital',
  recipient: '12D3KooWRecipient',
  title: 'Rhythm in daily life',
  explanation: 'We look for pauses.\nKept for five years. "Quoted" – and 中文 😀.',
  purpose: 'research/rhythm',
  vitals: ['readings', 'predictions'],
  fromSeconds: 1_699_200_000,
  untilSeconds: 1_699_286_400,
  accessForSeconds: 86_400,
  custodians: ['12D3KooWOne', '12D3KooWTwo'],
  compensation: '1500000000000000000',
  token: `0x${'00'.repeat(20)}`,
  atSeconds: 1_699_000_001,
};
const text = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((value) => value.isWellFormed());
const someTerms: fc.Arbitrary<ConsentTerms> = fc.record({
  organisation: text,
  recipient: text,
  title: text,
  explanation: fc.oneof(fc.constant(''), text),
  purpose: fc.constantFrom('research/rhythm', 'treatment/ward', 'treatment', 'treatmental/x'),
  vitals: fc.subarray(['readings', 'windows', 'predictions', 'alerts'] as const, { minLength: 1 }),
  fromSeconds: fc.nat(10 ** 9),
  untilSeconds: fc.integer({ min: 10 ** 9 + 1, max: 2 ** 37 }),
  accessForSeconds: fc.nat(2 ** 31),
  custodians: fc.array(text, { maxLength: 5 }),
  compensation: fc.bigInt(0n, 2n ** 95n).map(String),
  token: fc.constant(terms.token),
  atSeconds: fc.nat(2 ** 31),
});
const salt = new Uint8Array(consentSaltBytes).fill(5);

function changed(change: (consent: Record<string, unknown>) => void): string {
  const consent = JSON.parse(consentText(terms)) as Record<string, unknown>;
  change(consent);
  return JSON.stringify(consent);
}
type Provision = Record<'actor' | 'purpose' | 'code' | 'dataPeriod' | 'type', unknown>;
const provisionOf = (consent: Record<string, unknown>) => consent['provision'] as Provision;

describe('a consent', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(someTerms, (some) => {
        const written = consentText(some);
        expect(parseConsent(written)).toEqual(some);
        expect(written).toBe(consentText(parseConsent(written)));
      }),
    );
  });

  it('is a FHIR R4 Consent that names no patient', () => {
    const consent = JSON.parse(consentText(terms));
    expect(consent).toMatchObject({
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ code: 'research' }] },
      dateTime: '2023-11-03T08:26:41Z',
      policyRule: { coding: [{ code: 'OPTIN' }] },
      provision: {
        type: 'permit',
        purpose: [{ code: 'HRESCH' }, { system: consentSystems.purpose, code: 'research/rhythm' }],
        dataPeriod: { start: '2023-11-05T16:00:00Z', end: '2023-11-06T16:00:00Z' },
      },
    });
    expect(consent).not.toHaveProperty('patient');
    const ofTreatment = JSON.parse(consentText({ ...terms, purpose: 'treatment/ward' }));
    expect(ofTreatment.scope.coding[0].code).toBe('treatment');
    expect(ofTreatment.provision.purpose[0].code).toBe('TREAT');
  });

  it('from elsewhere is read where it says the same, with more beside it; to be signed it must say nothing more', () => {
    const foreign = changed((consent) => {
      consent['id'] = 'abc';
      consent['language'] = 'en';
      consent['text'] = { status: 'generated', div: '<div/>' };
      provisionOf(consent).dataPeriod = { start: '2023-11-05T17:00:00+01:00', end: '2023-11-06T16:00:00Z' };
    });
    expect(readConsent(foreign)).toEqual(terms);
    expect(() => parseConsent(foreign)).toThrow(ConsentMalformedError);
    expect(() => parseConsent(` ${consentText(terms)}`)).toThrow(ConsentMalformedError);
    const hidden = changed((consent) => {
      consent['provision'] = { ...provisionOf(consent), provision: [{ type: 'permit' }] };
    });
    expect(() => parseConsent(hidden)).toThrow(ConsentMalformedError);
  });

  it.each<[string, (consent: Record<string, unknown>) => void]>([
    ['resourceType', (consent) => Object.assign(consent, { resourceType: 'Patient' })],
    ['status', (consent) => Object.assign(consent, { status: 'draft' })],
    ['extension', (consent) => Object.assign(consent, { extension: 5 })],
    ['extension', (consent) => Object.assign(consent, { extension: Array(17).fill({}) })],
    ['valueDuration', (consent) => delete (consent['extension'] as { valueDuration?: unknown }[])[1]?.valueDuration],
    [consentSystems.access, (consent) => (consent['extension'] as unknown[]).splice(1, 1)],
    [
      consentSystems.study,
      (consent) => (consent['extension'] as unknown[]).push((consent['extension'] as unknown[])[0]),
    ],
    ['dateTime', (consent) => Object.assign(consent, { dateTime: 'tomorrow' })],
    ['dateTime', (consent) => Object.assign(consent, { dateTime: '2023-13-40T00:00:00Z' })],
    ['dateTime', (consent) => Object.assign(consent, { dateTime: '1960-01-01T00:00:00Z' })],
    ['provision', (consent) => delete consent['provision']],
    ['provision.type', (consent) => Object.assign(provisionOf(consent), { type: 'deny' })],
    ['dataPeriod', (consent) => Object.assign(provisionOf(consent), { dataPeriod: null })],
    ['actor', (consent) => Object.assign(provisionOf(consent), { actor: [] })],
    [
      'actor',
      (consent) => {
        const provision = provisionOf(consent);
        const [recipient] = provision.actor as unknown[];
        provision.actor = [recipient, recipient];
      },
    ],
    ['code', (consent) => Object.assign(provisionOf(consent), { code: [] })],
    [
      'code',
      (consent) => {
        const provision = provisionOf(consent);
        const [first] = provision.code as unknown[];
        provision.code = [first, first];
      },
    ],
    ['coding', (consent) => Object.assign(provisionOf(consent), { purpose: [] })],
  ])('is refused for its %s', (field, change) => {
    const attempt = () => readConsent(changed(change));
    expect(attempt).toThrow(ConsentMalformedError);
    expect(attempt).toThrow(field);
  });

  it('is refused for an interval that ends before it begins, and times that FHIR cannot write', () => {
    const backwards = consentText({ ...terms, untilSeconds: terms.fromSeconds });
    expect(() => readConsent(backwards)).toThrow(ConsentMalformedError);
    expect(() => consentText({ ...terms, untilSeconds: 2 ** 39 })).toThrow(ConsentMalformedError);
  });

  it('is refused past its limits, and for anything at all', () => {
    const long = { ...terms, explanation: '"'.repeat(consentLimits.explanationCharactersMax) };
    expect(parseConsent(consentText(long)).explanation).toBe(long.explanation);
    const longer = { ...terms, explanation: `${long.explanation}x` };
    expect(() => parseConsent(consentText(longer))).toThrow(ConsentMalformedError);
    expect(() => readConsent(`"${'x'.repeat(consentLimits.charactersMax)}"`)).toThrow(ConsentMalformedError);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (value) => {
        expect(() => readConsent(value)).toThrow(ConsentMalformedError);
      }),
    );
  });
});

describe('the terms of an offer', () => {
  it('are SHA-256 of salt and consent', () => {
    const written = consentText(terms);
    const hash = createHash('sha256').update(salt).update(written).digest('hex');
    expect(termsOf(salt, written)).toBe(`0x${hash}`);
    expect(termsOf(salt.with(0, 6), written)).not.toBe(termsOf(salt, written));
    expect(termsOf(salt, consentText({ ...terms, title: 'Rhythm in daily lifE' }))).not.toBe(termsOf(salt, written));
  });

  it('take salts of one length alone', () => {
    expect(() => termsOf(salt.subarray(1), '{}')).toThrow(ConsentMalformedError);
    expect(() => termsOf(Uint8Array.of(...salt, 0), '{}')).toThrow(ConsentMalformedError);
  });
});
