import { toHex } from '@pulsemesh/wire';
import { consentSaltBytes, consentText, termsOf } from '../../offer/consent.ts';
import type { OfferDraft } from '../../offer/offer-fields.ts';
import type { Change } from '../desk/desk.ts';
import { AskGoneError, NotKnownError, OfficeFullError, PriceCapError } from '../errors.ts';
import { askOf } from '../kept-messages.ts';
import type { AskBody } from '../messages.ts';
import { isTreatment } from './asking.ts';
import { homeLimits } from './home-limits.ts';
import type { CustodianContact, HomeHouse } from './home-means.ts';
import { type AskRow, type DraftRow, type HomeRows, type InboxRow, inboxIdOf } from './home-rows.ts';

const hourSeconds = 3600;

/** A request that a patient can still answer. @throws {NotKnownError}; {AskGoneError}. */
export function openAsk(
  change: Pick<Change<HomeRows>, 'get'>,
  where: { readonly askId: string; readonly subject: string; readonly nowMs: number },
): { readonly row: AskRow; readonly inbox: InboxRow; readonly ask: AskBody } {
  const inbox = change.get('inbox', inboxIdOf(where.askId, where.subject));
  const row = change.get('ask', where.askId);
  if (inbox === undefined || row === undefined) throw new NotKnownError('ask');
  if (row.expiresMs <= where.nowMs) throw new AskGoneError('expired');
  if (inbox.state === 'accepted' || inbox.state === 'refused') throw new AskGoneError(inbox.state);
  return { row, inbox, ask: askOf(row) };
}

/** Prepares an offer: all of it but its signer and purse. @returns the draft's id and row, kept for a quarter of an hour. */
export function draftOffer(
  house: HomeHouse,
  change: Change<HomeRows>,
  wish: { readonly askId: string; readonly subject: string; readonly price: bigint | null },
): { readonly draftId: string; readonly row: DraftRow } {
  const { clock, random, means } = house;
  const nowMs = clock.now();
  const { inbox, ask } = openAsk(change, { ...wish, nowMs });
  const price = priceOf(house, ask, inbox, wish.price);
  const salt = random.bytes(consentSaltBytes);
  const consent = consentText({
    organisation: ask.organisation,
    recipient: ask.buyer.peer,
    title: ask.title,
    explanation: ask.explanation,
    purpose: ask.purpose,
    vitals: ask.vitals,
    fromSeconds: ask.fromSeconds,
    untilSeconds: ask.untilSeconds,
    accessForSeconds: ask.accessForSeconds,
    custodians: means.custodians.map(({ peer }) => peer),
    compensation: price.toString(),
    token: ask.token,
    atSeconds: Math.floor(nowMs / 1000),
  });
  const row: DraftRow = {
    askId: wish.askId,
    subject: wish.subject,
    price: price.toString(),
    token: ask.token,
    buyer: ask.buyer.account,
    custodian: (means.custodians[0] as CustodianContact).account, // two at least, checked at the start
    arbiter: means.policy.arbiter,
    validUntil: wholeHour(Math.floor(nowMs / 1000) + means.policy.offerValidForSeconds),
    deliverWithin: means.policy.deliverWithinSeconds,
    accessFor: ask.accessForSeconds,
    terms: termsOf(salt, consent),
    nonce: `0x${toHex(random.bytes(32))}`,
    keySalt: `0x${toHex(random.bytes(32))}`,
    salt,
    consent,
    createdMs: nowMs,
  };
  const draftId = toHex(random.bytes(16));
  makeRoom(change, wish.subject, nowMs);
  change.put('draft', draftId, row);
  return { draftId, row };
}

/** Up to the next one: the ledger shows it to all, and the second of a yes would tell whose two grants are. */
function wholeHour(atSeconds: number): number {
  return Math.ceil(atSeconds / hourSeconds) * hourSeconds;
}

/** What the passkey agrees to. */
export function draftOf(row: DraftRow): OfferDraft {
  const { buyer, custodian, arbiter, token, validUntil, deliverWithin, accessFor, terms, nonce } = row;
  const price = BigInt(row.price);
  return { buyer, custodian, arbiter, token, price, validUntil, deliverWithin, accessFor, terms, nonce };
}

/** No more than was asked, or than the patient's own counter-proposal; never more than the operator allows; treatment is free. */
function priceOf(house: HomeHouse, ask: AskBody, inbox: InboxRow, wish: bigint | null): bigint {
  const { policy, domain } = house.means;
  const isFree = isTreatment(ask.purpose) || domain.chainId === 0;
  if (isFree) {
    if ((wish ?? 0n) > 0n) throw new PriceCapError(domain.chainId === 0 ? 'no-money' : 'treatment');
    return 0n;
  }
  const cap = policy.priceMax;
  if (wish === null) return cap !== null && ask.price > cap ? cap : ask.price;
  if (cap !== null && wish > cap) throw new PriceCapError('policy');
  const countered = inbox.counterPrice === null ? 0n : BigInt(inbox.counterPrice);
  if (wish > ask.price && wish > countered) throw new PriceCapError('asked');
  return wish;
}

function makeRoom(change: Change<HomeRows>, subject: string, nowMs: number): void {
  const grants = [...change.all('grant')];
  if (grants.length >= homeLimits.grantsMax) throw new OfficeFullError('grantsMax');
  const own = grants.filter(([, grant]) => grant.subject === subject);
  if (own.length >= homeLimits.grantsPerPatientMax) throw new OfficeFullError('grantsPerPatientMax');
  const drafts = [...change.all('draft')].filter(([, draft]) => draft.subject === subject);
  const live = drafts.filter(([, draft]) => draft.createdMs + homeLimits.draftForMs > nowMs);
  for (const [draftId] of drafts) {
    const place = live.findIndex(([id]) => id === draftId);
    if (place === -1 || live.length - place >= homeLimits.draftsPerPatientMax) change.remove('draft', draftId);
  }
}
