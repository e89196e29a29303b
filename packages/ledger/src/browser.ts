// What pages load: to check what is shown, sign it, and verify who read what. Nothing of Node, and nothing that talks to a ledger.
export type { AccessReceipt, AccessRecord } from './access/access-types.ts';
export { AccessReceiptRefusedError } from './access/errors.ts';
export { decodeAccessReceipt } from './access/receipt-codec.ts';
export { type AccessReceiptKeys, type VerifiedAccess, verifyAccessReceipt } from './access/verify-receipt.ts';
export {
  type ConsentDomain,
  domainOf,
  offerIdOf as grantIdOf,
  purseOf,
  type Withdrawal,
} from './contract/typed-data.ts';
export { type ConsentTerms, parseConsent, termsOf } from './offer/consent.ts';
export { draftDigest, offerOf } from './offer/draft.ts';
export { ConsentMalformedError, OfferMalformedError, PasskeyRefusedError } from './offer/errors.ts';
export { type GrantKey, grantKeyOf } from './offer/grant-key.ts';
export type { Hex, Offer, SignedOffer } from './offer/offer.ts';
export { type OfferDraft, parseDraft } from './offer/offer-fields.ts';
export { type PasskeyAnswer, passkeySignature } from './offer/passkey-signature.ts';
export {
  accountSigner,
  keySignerOf,
  type LedgerSigner,
  signOffer,
  signRevocation,
  signWithdrawal,
} from './offer/signing.ts';
