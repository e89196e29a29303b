import { hashTypedData } from 'viem/utils';
import { type ConsentDomain, consentTypes, purseOf } from '../contract/typed-data.ts';
import type { Hex, Offer } from './offer.ts';
import type { OfferDraft } from './offer-fields.ts';

const [, , ...draftFields] = consentTypes.Offer; // all but patient and payee, which come first
const draftTypes = { Draft: draftFields };

/**
 * What the enrolled passkey is asked to sign (EIP-712 `Draft`): all of the offer but its signer and payee, which come out of that very touch.
 * 32 bytes; for one deployment, like the offer itself.
 */
export function draftDigest(draft: OfferDraft, domain: ConsentDomain): Hex {
  return hashTypedData({ domain, types: draftTypes, primaryType: 'Draft', message: { ...draft } });
}

/** The offer that a signer makes of a draft: its own purse is the payee. */
export function offerOf(draft: OfferDraft, signer: Hex): Offer {
  return { ...draft, patient: signer, payee: purseOf(signer).toLowerCase() as Hex };
}

/** Whether an offer is that of the draft and pays its signer's own purse. */
export function isOfferOf(offer: Offer, draft: OfferDraft): boolean {
  const expected = offerOf(draft, offer.patient);
  return (Object.keys(expected) as (keyof Offer)[]).every((name) => expected[name] === offer[name]);
}
