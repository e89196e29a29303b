import { Condition } from '@pulsemesh/base/errors';
import {
  accountSigner,
  type ConsentTerms,
  domainOf,
  draftDigest,
  grantKeyOf,
  type LedgerSigner,
  offerOf,
  parseConsent,
  parseDraft,
  passkeySignature,
  signOffer,
  signRevocation,
  signWithdrawal,
  termsOf,
} from '@pulsemesh/ledger/browser';
import type { AcceptInput, DraftView, GrantSigningView, Hex, WithdrawInput } from '@pulsemesh/node/api';
import { fromHexText, toHexText } from './bytes.ts';
import { askPasskey, type PasskeyDependencies, PasskeyError } from './passkey.ts';

/** What the home prepared is not what it shows: nothing is signed. */
export class DraftMismatchError extends Condition {
  constructor(what: string) {
    super('web.draft-mismatch', `What would be signed is not what is shown (${what}). Nothing was signed.`, {
      facts: { what },
    });
    this.name = 'DraftMismatchError';
  }
}

/**
 * Holds a draft against what it says of itself: the terms that are signed are those of the consent that is shown, the price is the one that
 * is shown, and the passkey is asked to sign this draft and nothing else.
 * @returns what the document says: that, and nothing else, is to be shown.
 * @throws {DraftMismatchError}; an `OfferMalformedError` or a `ConsentMalformedError` for fields of another form.
 */
export function checkDraft(draft: DraftView): ConsentTerms {
  const offer = parseDraft(draft.offer);
  const consent = parseConsent(draft.consent);
  if (termsOf(fromHexText(draft.salt), draft.consent) !== offer.terms) throw new DraftMismatchError('the terms');
  const isPriceSaid = consent.compensation === offer.price.toString() && consent.token === offer.token;
  if (!isPriceSaid) throw new DraftMismatchError('the compensation');
  if (consent.accessForSeconds !== offer.accessFor) throw new DraftMismatchError('how long it may be read');
  if (offer.price.toString() !== draft.price.units) throw new DraftMismatchError('the compensation');
  if (offer.token !== draft.price.token) throw new DraftMismatchError('the currency');
  const digest = draftDigest(offer, domainOf(draft.chainId, draft.contract));
  if (digest !== draft.challenge) throw new DraftMismatchError('what the passkey is asked for');
  return consent;
}

/** How the touch went on: told when the passkey has to be asked a second time. */
export type OnSecondTouch = () => void;

/**
 * Says yes to a draft that was checked. One touch where the passkey makes secrets (PRF): of its secret the grant's own key is made, used
 * and forgotten. Else the passkey itself signs, by a second touch.
 * @throws {PasskeyError}; what `checkDraft` throws.
 */
export async function acceptDraft(
  draft: DraftView,
  credentialId: string,
  deps: PasskeyDependencies,
  onSecondTouch: OnSecondTouch,
): Promise<AcceptInput> {
  checkDraft(draft);
  const domain = domainOf(draft.chainId, draft.contract);
  const answer = await askPasskey(credentialId, { challenge: draft.challenge, salt: draft.keySalt }, deps);
  let signer: LedgerSigner;
  if (answer.secret !== null) {
    signer = accountSigner(grantKeyOf(answer.secret));
  } else {
    if (draft.passkeySigner === null) {
      throw new PasskeyError(
        'This passkey cannot make keys (PRF), and this ledger takes nothing else. Use another one.',
      );
    }
    onSecondTouch();
    signer = passkeyItself(draft.passkeySigner, credentialId, deps);
  }
  const offer = offerOf(parseDraft(draft.offer), signer.signer);
  const { signature } = await signOffer(offer, domain, signer);
  return { draftId: draft.draftId, signer: signer.signer, signature, assertion: answer.assertion };
}

/** Ends consent to a grant. @throws {PasskeyError} */
export async function revocationOf(
  grantId: Hex,
  signing: GrantSigningView,
  credentialId: string,
  deps: PasskeyDependencies,
): Promise<Hex> {
  const domain = domainOf(signing.chainId, signing.contract);
  return signRevocation(grantId, domain, await signerOf(signing, credentialId, deps));
}

export interface PurseDraw {
  readonly token: Hex;
  readonly to: Hex;
  /** Whole units, in decimal digits. */
  readonly amount: string;
  readonly nonce: string;
  /** Seconds since 1970 after which the signature is void. */
  readonly until: number;
}

/** Draws money from a grant's purse. @throws {PasskeyError} */
export async function withdrawalOf(
  draw: PurseDraw,
  signing: GrantSigningView,
  credentialId: string,
  deps: PasskeyDependencies,
): Promise<WithdrawInput> {
  const domain = domainOf(signing.chainId, signing.contract);
  const { token, to, until } = draw;
  const [amount, nonce] = [BigInt(draw.amount), BigInt(draw.nonce)];
  const signer = await signerOf(signing, credentialId, deps);
  const withdrawal = { signer: signing.signer, token, to, amount, nonce, until };
  const signature = await signWithdrawal(withdrawal, domain, signer);
  return { to, amount: draw.amount, nonce: draw.nonce, until, signature };
}

/** The signer of a grant again, by a touch. */
async function signerOf(
  { signer, keySalt }: GrantSigningView,
  credentialId: string,
  deps: PasskeyDependencies,
): Promise<LedgerSigner> {
  if (keySalt === null) return passkeyItself(signer, credentialId, deps);
  // Only the secret is wanted: what the passkey signs here is worth nothing to anybody.
  const challenge = toHexText(deps.random.bytes(32));
  const { secret } = await askPasskey(credentialId, { challenge, salt: keySalt }, deps);
  const made = secret === null ? null : accountSigner(grantKeyOf(secret));
  if (made === null || made.signer !== signer) {
    throw new PasskeyError('This is not the passkey that said yes. Use the one with which you agreed.');
  }
  return made;
}

function passkeyItself(signer: Hex, credentialId: string, deps: PasskeyDependencies): LedgerSigner {
  return {
    signer,
    sign: async (digest) => {
      const { assertion } = await askPasskey(credentialId, { challenge: digest, salt: null }, deps);
      return passkeySignature(assertion);
    },
  };
}
