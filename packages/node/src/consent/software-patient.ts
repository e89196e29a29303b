import {
  accountSigner,
  draftDigest,
  grantKeyOf,
  offerOf,
  parseDraft,
  signOffer,
  signRevocation,
} from '@pulsemesh/ledger';
import { domainOf } from '@pulsemesh/ledger/browser';
import { fromHex } from '@pulsemesh/wire';
import type { AcceptInput, DraftView, GrantView, Hex } from '../api/types.ts';
import type { SoftwarePasskey } from './software-passkey.ts';

/** The draft's challenge is not what the passkey would be signing: somebody changed what is shown. */
class DraftMismatchError extends TypeError {
  override readonly name = 'DraftMismatchError';
}

/** What a patient's device does when it says yes: the same as the page, with a passkey of software. @throws {DraftMismatchError}. */
export async function answerDraft(draft: DraftView, passkey: SoftwarePasskey): Promise<AcceptInput> {
  const domain = domainOf(draft.chainId, draft.contract);
  const offer = parseDraft(draft.offer);
  if (draftDigest(offer, domain) !== draft.challenge) throw new DraftMismatchError('the draft was changed');
  const { assertion, prfOutput } = passkey.answer(bytesOf(draft.challenge), bytesOf(draft.keySalt));
  const signer = accountSigner(grantKeyOf(prfOutput));
  const { signature } = await signOffer(offerOf(offer, signer.signer), domain, signer);
  return { draftId: draft.draftId, signer: signer.signer, signature, assertion };
}

/** What it signs to withdraw consent: the grant's own key is made again. */
export async function signedRevocation(grant: GrantView, passkey: SoftwarePasskey): Promise<Hex> {
  const { signing, grantId } = grant;
  if (signing?.keySalt == null) throw new TypeError('the grant has no key of its own any more');
  const { prfOutput } = passkey.answer(new Uint8Array(32), bytesOf(signing.keySalt));
  return signRevocation(grantId, domainOf(signing.chainId, signing.contract), accountSigner(grantKeyOf(prfOutput)));
}

function bytesOf(hex: Hex): Uint8Array {
  return fromHex(hex.slice(2), 32);
}
