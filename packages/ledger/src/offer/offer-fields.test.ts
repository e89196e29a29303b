import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { domainOf, offerIdOf } from '../contract/typed-data.ts';
import { draftDigest, isOfferOf, offerOf } from './draft.ts';
import { OfferMalformedError } from './errors.ts';
import { grantKeyOf } from './grant-key.ts';
import type { Hex, Offer } from './offer.ts';
import { draftJson, type OfferDraft, offerLimits, parseDraft, parseOffer } from './offer-fields.ts';

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => `0x${Buffer.from(value).toString('hex')}`);
const drafts: fc.Arbitrary<OfferDraft> = fc.record({
  buyer: hex(20),
  custodian: hex(20),
  arbiter: hex(20),
  token: hex(20),
  price: fc.bigInt(0n, 2n ** 96n - 1n),
  validUntil: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  deliverWithin: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  accessFor: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  terms: hex(32),
  nonce: hex(32),
});
const domain = domainOf(31_337, `0x${'c0'.repeat(20)}`);
const [draft] = fc.sample(drafts, { numRuns: 1, seed: 7 }) as [OfferDraft];
const { signer } = grantKeyOf(new Uint8Array(32).fill(3));
const offer = offerOf(draft, signer);

describe('an offer', () => {
  it('is read back from JSON, and from what the program holds', () => {
    fc.assert(
      fc.property(drafts, (some) => {
        expect(parseDraft(JSON.parse(JSON.stringify(draftJson(some))))).toEqual(some);
        expect(parseDraft(some)).toEqual(some);
        expect(parseOffer(offerOf(some, signer))).toEqual(offerOf(some, signer));
      }),
    );
  });

  const wrong: Readonly<Record<keyof Offer, readonly unknown[]>> = {
    patient: ['0x', `0x${'aa'.repeat(19)}`, `0x${'aa'.repeat(offerLimits.signerBytesMax + 1)}`, 5],
    payee: [`0x${'AA'.repeat(20)}`, 'aa'.repeat(20), `0x${'aa'.repeat(21)}`],
    buyer: [null, `0x${'ag'.repeat(20)}`],
    custodian: [undefined],
    arbiter: [[]],
    token: [`0x${'a'.repeat(39)}`],
    price: [-1n, 2n ** 96n, 5, '05', '', '1e3', '-1', '9'.repeat(30)],
    validUntil: [-1, 0.5, 2 ** 40, Number.NaN, '1'],
    deliverWithin: [2 ** 32, -1],
    accessFor: [2 ** 32],
    terms: [`0x${'aa'.repeat(31)}`, `0x${'aa'.repeat(33)}`],
    nonce: ['0xzz'],
  };
  it.each(Object.entries(wrong))('is refused for another %s, which is named', (field, values) => {
    for (const value of values) {
      const attempt = () => parseOffer({ ...offer, [field]: value });
      expect(attempt).toThrow(OfferMalformedError);
      expect(attempt).toThrow(field);
    }
  });

  it('is refused with a field too many, too few, or inherited', () => {
    const { nonce, ...rest } = offer;
    expect(() => parseOffer(rest)).toThrow(OfferMalformedError);
    expect(() => parseOffer({ ...offer, extra: 1 })).toThrow(OfferMalformedError);
    expect(() => parseOffer(Object.assign(Object.create({ nonce }), rest, { extra: 1 }))).toThrow(OfferMalformedError);
    expect(parseOffer({ ...offer, patient: `0x${'aa'.repeat(offerLimits.signerBytesMax)}` }).patient.length).toBe(
      2 + 2 * offerLimits.signerBytesMax,
    );
  });

  it('is refused for anything at all', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => parseOffer(value)).toThrow(OfferMalformedError);
        expect(() => parseDraft(value)).toThrow(OfferMalformedError);
      }),
    );
  });
});

describe('a draft', () => {
  it('has a digest that every field and the deployment change', () => {
    const changed: OfferDraft[] = [
      ...(['buyer', 'custodian', 'arbiter', 'token'] as const).map((name) => ({ ...draft, [name]: signer })),
      ...(['terms', 'nonce'] as const).map((name) => ({ ...draft, [name]: `0x${'01'.repeat(32)}` as Hex })),
      ...(['validUntil', 'deliverWithin', 'accessFor'] as const).map((name) => ({ ...draft, [name]: 1 })),
      { ...draft, price: 1n },
    ];
    const digests = [
      draftDigest(draft, domain),
      draftDigest(draft, domainOf(1, domain.verifyingContract)),
      draftDigest(draft, domainOf(31_337, signer)),
      offerIdOf(offer, domain),
      ...changed.map((other) => draftDigest(other, domain)),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('knows its offer: everything but signer and payee, and the payee is the purse of the signer', () => {
    expect(isOfferOf(offer, draft)).toBe(true);
    expect(isOfferOf({ ...offer, payee: draft.buyer }, draft)).toBe(false);
    expect(isOfferOf({ ...offer, price: offer.price + 1n }, draft)).toBe(false);
    expect(isOfferOf({ ...offer, patient: draft.buyer }, draft)).toBe(false);
  });
});
