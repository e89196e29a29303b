import type { PeerId } from '@pulsemesh/wire';
import type { NewAccess } from '../access/access-log.ts';
import { encodeReadRequest, isReadSignedBy } from '../access/read-request.ts';
import { requestHash, zeroHash } from '../access/record-codec.ts';
import type {
  ClaimBody,
  DenialReason,
  DepositBody,
  ErasedBody,
  ReadBody,
  ReceivedBody,
  WithdrawnBody,
} from '../market/messages.ts';
import type { Hex } from '../offer/offer.ts';
import type { CustodyBook } from './custody-book.ts';
import type { CustodyQuotas } from './custody-limits.ts';
import { type LedgerFacts, whyNotRead, whyNotReleased } from './decide.ts';
import { type HeldGrant, noUsage, usageAt } from './grant-row.ts';
import { signHeld } from './held.ts';
import { type Outcome, type Outgoing, refused } from './outcome.ts';
import { pagesOf, type ServedRead } from './pages.ts';

/** What every decision is made over: changes nothing, and asks nobody. */
export interface Desk {
  readonly book: CustodyBook;
  readonly self: PeerId;
  readonly homes: ReadonlySet<PeerId>;
  readonly quotas: CustodyQuotas;
  /** Signs what is held. */
  readonly author: { sign(message: Uint8Array): Uint8Array };
  readonly isOutboxFull: boolean;
  readonly nowMs: number;
}

/** A home deposits an envelope. `isSound`: its signatures are what they should be. */
export function takeDeposit(desk: Desk, from: PeerId, body: DepositBody, isSound: boolean): Outcome {
  const { grantId, offer } = body.signed;
  if (!desk.homes.has(from)) return refused('wrong-sender');
  if (!body.custodians.includes(desk.self)) return refused('not-for-here');
  const held = desk.book.get(grantId);
  if (held !== undefined) return heldAgain(desk, from, held, body);
  if (desk.book.isErased(grantId)) return refused('repeated');
  if (!isSound || body.buyer.account !== offer.buyer) return refused('offer');
  if (desk.nowMs > offer.validUntil * 1000) return refused('expired');
  const isRoom = desk.book.hasRoomFor(body.envelope.length) && !desk.isOutboxFull;
  if (!isRoom || desk.book.grantsOf(from) >= desk.quotas.grantsPerHomeMax) return refused('full');
  const row = {
    home: from,
    depositedMs: desk.nowMs,
    status: 'none',
    deadline: 0,
    releasedMs: 0,
    receipt: null,
    receivedMs: 0,
    withdrawal: null,
    withdrawnMs: 0,
    usage: noUsage,
  } as const;
  return { grantId, row, deposit: body, out: [heldMessage(desk, from, grantId, deliveryOf(body))] };
}

/** The same once more is answered once more; anything else under the same id is not taken. */
function heldAgain(desk: Desk, from: PeerId, held: HeldGrant, body: DepositBody): Outcome {
  const { grantId } = body.signed;
  const delivery = deliveryOf(body);
  if (held.row.home !== from || held.terms.delivery !== delivery) return refused('contradiction');
  return { grantId, out: [heldMessage(desk, from, grantId, delivery)] };
}

function heldMessage({ author }: Desk, to: PeerId, grantId: Hex, delivery: Hex): Outgoing {
  return { to, message: { kind: 'held', ...signHeld(grantId, delivery, author) }, after: null };
}

function deliveryOf({ envelope }: DepositBody): Hex {
  return requestHash(envelope);
}

/** A buyer asks for the key. */
export function takeClaim(desk: Desk, from: PeerId, { grantId }: ClaimBody, facts: LedgerFacts): Outcome {
  const grant = desk.book.get(grantId);
  if (grant === undefined) return denied(desk, null, from, grantId, 'unknown-grant', null);
  if (grant.terms.buyer.peer !== from) return denied(desk, grant, from, grantId, 'not-the-buyer', null);
  const usage = usageAt(grant.row.usage, desk.nowMs);
  const isTooMuch = usage.reads >= desk.quotas.readsPerHourMax || desk.isOutboxFull;
  const reason = whyNotReleased(grant, facts, desk.nowMs) ?? (isTooMuch ? 'quota' : null);
  return reason === null ? release(desk, grant) : denied(desk, grant, from, grantId, reason, null);
}

/** Hands the key over, whether it was asked for or not. */
export function release(desk: Desk, { terms, row }: HeldGrant): Outcome {
  const { grantId } = terms.signed;
  const usage = usageAt(row.usage, desk.nowMs);
  const access = { ...accessOf(desk, grantId, terms.buyer.peer, terms.purpose), kind: 'release' } as const;
  return {
    grantId,
    row: { ...row, releasedMs: desk.nowMs, usage: { ...usage, reads: usage.reads + 1 } },
    accesses: [access],
    out: [
      { to: terms.buyer.peer, message: { kind: 'key', grantId }, after: 0 },
      { to: row.home, message: { kind: 'accessed' }, after: 0 },
    ],
  };
}

/** Whether a request would be served, were its records at hand; null: it was answered, or it is not. */
export function readOf(desk: Desk, from: PeerId, body: ReadBody, facts: LedgerFacts): HeldGrant | null {
  const grant = desk.book.get(body.grantId);
  if (grant === undefined || grant.terms.buyer.peer !== from || !isReadSignedBy(body, from)) return null;
  if (desk.book.answered(body.grantId, body.readId) !== null) return null;
  return whyNotHere(desk, grant, body, facts) === null ? grant : null;
}

/** A buyer asks for records; `served`: what the shelf gave, null where {@link readOf} said no. */
export function takeRead(
  desk: Desk,
  from: PeerId,
  body: ReadBody,
  facts: LedgerFacts,
  served: ServedRead | null,
): Outcome {
  const { grantId, readId, atMs } = body;
  const grant = desk.book.get(grantId);
  if (grant === undefined) return denied(desk, null, from, readId, 'unknown-grant', null);
  if (grant.terms.buyer.peer !== from || !isReadSignedBy(body, from))
    return denied(desk, grant, from, readId, 'not-the-buyer', null);
  const request = encodeReadRequest(body);
  const hash = requestHash(request);
  const answered = desk.book.answered(grantId, readId);
  if (answered === hash) return refused('repeated');
  const answer = { readId, hash, atMs };
  if (answered !== null) return denied(desk, grant, from, readId, 'replayed', request);
  const reason = whyNotHere(desk, grant, body, facts);
  if (reason !== null) return { ...denied(desk, grant, from, readId, reason, request), request: answer };
  // It became readable only while it was decided: the reader asks again.
  if (served === null) return { ...denied(desk, grant, from, readId, 'ledger-away', request), request: answer };
  return { ...serve(desk, grant, body, request, served), request: answer };
}

function whyNotHere(desk: Desk, grant: HeldGrant, body: ReadBody, facts: LedgerFacts): DenialReason | null {
  const reason = whyNotRead(grant, body, facts, desk.quotas, desk.nowMs);
  if (reason !== null) return reason;
  return desk.isOutboxFull || desk.book.isFullOfRequests ? 'quota' : null;
}

function serve(
  desk: Desk,
  { terms, row }: HeldGrant,
  body: ReadBody,
  request: Uint8Array,
  { records, bytes, untilSeconds }: ServedRead,
): Outcome {
  const { grantId, readId, fromSeconds } = body;
  const usage = usageAt(row.usage, desk.nowMs);
  const reader = terms.buyer.peer;
  const access: NewAccess = {
    ...accessOf(desk, grantId, reader, terms.purpose),
    kind: 'read',
    request,
    fromSeconds,
    untilSeconds,
    records: records.length,
    bytes,
  };
  const pages = pagesOf(readId, records).map(
    (page): Outgoing => ({ to: reader, message: { kind: 'records', ...page }, after: 0 }),
  );
  return {
    grantId,
    row: { ...row, usage: { ...usage, reads: usage.reads + 1, bytes: usage.bytes + bytes } },
    accesses: [access],
    out: [...pages, { to: row.home, message: { kind: 'accessed' }, after: 0 }],
  };
}

/** A buyer says that the key opened. `mayBe`: the receipt can be the buyer's. */
export function takeReceived(desk: Desk, from: PeerId, body: ReceivedBody, mayBe: boolean): Outcome {
  const { grantId, delivery, signature } = body;
  const grant = desk.book.get(grantId);
  if (grant === undefined) return refused('unknown');
  if (grant.terms.buyer.peer !== from) return refused('wrong-sender');
  if (grant.terms.delivery !== delivery) return refused('contradiction');
  if (!mayBe) return refused('receipt');
  if (grant.row.receipt === signature) return refused('repeated');
  return { grantId, row: { ...grant.row, receipt: signature, receivedMs: desk.nowMs } };
}

/** A home withdraws consent: nothing more goes out, what waits included. */
export function takeWithdrawn(desk: Desk, from: PeerId, { grantId, signature }: WithdrawnBody): Outcome {
  const grant = desk.book.get(grantId);
  if (grant === undefined) return refused('unknown');
  if (grant.row.home !== from) return refused('wrong-sender');
  if (grant.row.withdrawal !== null) return refused('repeated');
  return {
    grantId,
    row: { ...grant.row, withdrawal: signature, withdrawnMs: desk.nowMs },
    stops: true,
    accesses: [{ ...accessOf(desk, grantId, from, grant.terms.purpose), kind: 'revoked' }],
    out: [{ to: from, message: { kind: 'accessed' }, after: 0 }],
  };
}

/** Whether a home may have a grant forgotten; null: it may not, or there is nothing. */
export function erasedBy(desk: Desk, from: PeerId, { grantId }: ErasedBody): HeldGrant | null {
  const grant = desk.book.get(grantId);
  return grant?.row.home === from ? grant : null;
}

/**
 * Somebody is told no, and the home is told of it. To who is not the buyer the receipt is not given: it names what the grant is for. What is
 * asked under an id that nobody holds is counted under none.
 */
function denied(
  desk: Desk,
  grant: HeldGrant | null,
  from: PeerId,
  about: string,
  reason: DenialReason,
  request: Uint8Array | null,
): Outcome {
  const grantId = grant?.terms.signed.grantId ?? zeroHash;
  const access = accessOf(desk, grantId, from, grant?.terms.purpose ?? '');
  const hasReceipt = grant !== null && grant.terms.buyer.peer === from;
  const toHome: Outgoing[] = grant === null ? [] : [{ to: grant.row.home, message: { kind: 'accessed' }, after: 0 }];
  return {
    grantId,
    accesses: [{ ...access, kind: 'denied', reason, request }],
    out: [{ to: from, message: { kind: 'denied', about, reason, hasReceipt }, after: 0 }, ...toHome],
  };
}

/** An access of nothing, that nobody asked for by a signature. */
export function accessOf({ nowMs }: Pick<Desk, 'nowMs'>, grantId: Hex, reader: PeerId, purpose: string) {
  return {
    grantId,
    reader,
    atMs: nowMs,
    request: null,
    purpose,
    fromSeconds: 0,
    untilSeconds: 0,
    records: 0,
    bytes: 0,
    reason: null,
  } as const;
}
