export { offerIdOf as grantIdOf } from '../contract/typed-data.ts';
export { type AssertionRequest, type EnrolledPasskey, type VerifiedAssertion, verifyAssertion } from './assertion.ts';
export {
  type BindingStatement,
  bindingDigestOf,
  bindingLimits,
  bindingTypedData,
  createBinding,
  verifyBinding,
} from './binding.ts';
export { canonicalJson, type JsonValue } from './canonical-json.ts';
export { type ConsentTerms, consentSaltBytes, consentText, parseConsent, readConsent, termsOf } from './consent.ts';
export { draftDigest, isOfferOf, offerOf } from './draft.ts';
export {
  AccountBindingRefusedError,
  type BindingRefusal,
  ConsentMalformedError,
  OfferMalformedError,
  type PasskeyRefusal,
  PasskeyRefusedError,
} from './errors.ts';
export { type GrantKey, grantKeyOf } from './grant-key.ts';
export { type DraftJson, draftJson, type OfferDraft, offerLimits, parseDraft, parseOffer } from './offer-fields.ts';
export { type PasskeyAnswer, passkeyLimits, passkeySignature } from './passkey-signature.ts';
export {
  accountSigner,
  keySignerOf,
  type LedgerSigner,
  p256Signer,
  signOffer,
  signReceipt,
  signRevocation,
  signWithdrawal,
} from './signing.ts';
export {
  type SignatureClaim,
  type SignatureVerdict,
  type SignatureVerifiers,
  verifyOfferSignature,
  verifyReceipt,
  verifyRevocation,
  verifySignatureOf,
  verifyWithdrawal,
} from './verify-signature.ts';
