import { type ConsentDomain, offerIdOf } from '../contract/typed-data.ts';
import type { AcceptInput, DraftView } from '../market/views.ts';
import { draftDigest, offerOf } from '../offer/draft.ts';
import { grantKeyOf } from '../offer/grant-key.ts';
import { parseDraft } from '../offer/offer-fields.ts';
import { passkeySignature } from '../offer/passkey-signature.ts';
import { accountSigner, signOffer } from '../offer/signing.ts';
import type { SoftPasskey } from './soft-passkey.ts';

/** What a patient's device answers a draft with: the passkey agrees, and the key made of its secret signs this one offer. */
export async function yesByGrantKey(
  passkey: SoftPasskey,
  draft: DraftView,
  domain: ConsentDomain,
): Promise<AcceptInput> {
  const offer = parseDraft(draft.offer);
  if (draftDigest(offer, domain) !== draft.challenge) throw new Error('the challenge is not that of the draft');
  const key = grantKeyOf(passkey.secretOf(draft.keySalt));
  const { signature } = await signOffer(offerOf(offer, key.signer), domain, accountSigner(key));
  return { draftId: draft.draftId, signer: key.signer, signature, assertion: passkey.answer(draft.challenge) };
}

/** The same where the passkey has no secret to give: it signs the offer itself. */
export function yesByPasskey(passkey: SoftPasskey, draft: DraftView, domain: ConsentDomain): AcceptInput {
  const signer = draft.passkeySigner;
  if (signer === null) throw new Error('the ledger checks no passkeys');
  const grantId = offerIdOf(offerOf(parseDraft(draft.offer), signer), domain);
  const signature = passkeySignature(passkey.answer(grantId));
  return { draftId: draft.draftId, signer, signature, assertion: passkey.answer(draft.challenge) };
}
