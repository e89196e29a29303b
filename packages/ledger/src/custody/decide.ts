import type { GrantState, GrantStatus } from '../grants/grant-ledger.ts';
import type { DenialReason, ReadBody } from '../market/messages.ts';
import { type CustodyQuotas, custodyLimits } from './custody-limits.ts';
import { type GrantRow, type HeldGrant, type HeldTerms, usageAt } from './grant-row.ts';

/** What the ledger said when it was asked; away: it did not answer, or its head was too old to be relied upon. */
export type LedgerFacts =
  | { readonly kind: 'away' }
  | { readonly kind: 'known'; readonly final: GrantState; readonly sealed: GrantStatus };

/** Whether a grant's state lets its key go; null: it does. Consent that was withdrawn is over at once, whatever the ledger says. */
export function whyNotReleased(grant: HeldGrant, facts: LedgerFacts, nowMs: number): DenialReason | null {
  if (grant.row.withdrawal !== null) return 'revoked';
  if (facts.kind === 'away') return 'ledger-away';
  const { final, sealed } = facts;
  // What is over in the newest block is over, even if that block may still go.
  if (sealed === 'revoked') return 'revoked';
  // Who asks for its money back in the newest block does not get the key on top of it.
  if (sealed === 'disputed') return 'not-paid';
  if (sealed === 'closed') return 'expired';
  switch (final.status) {
    case 'none':
      return sealed === 'none' ? 'not-paid' : 'not-final';
    case 'funded':
      return mayReleaseFunded(grant, final.deadline, nowMs) ? null : 'not-paid';
    case 'delivered':
      return null;
    case 'active':
      return final.isAllowed ? null : 'expired';
    case 'disputed':
      return 'not-paid';
    case 'closed':
      return 'expired';
    case 'revoked':
      return 'revoked';
  }
}

/**
 * A buyer that has the key and says nothing is refunded after the deadline, unless the key was put on the ledger before: so a key that is
 * paid for goes out only from the custodian that can put it there, and only while there is time for that.
 */
function mayReleaseFunded({ terms, place }: HeldGrant, deadline: number, nowMs: number): boolean {
  const { price, deliverWithin } = terms.signed.offer;
  const leftSeconds = deadline - nowMs / 1000;
  return price === 0n ? leftSeconds > 0 : place === 0 && leftSeconds > deliverWithin / 4;
}

/** Whether a grant's state lets it be read from; null: it does. */
function whyNotReadable(grant: HeldGrant, facts: LedgerFacts): DenialReason | null {
  if (grant.row.withdrawal !== null) return 'revoked';
  if (facts.kind === 'away') return 'ledger-away';
  const { final, sealed } = facts;
  if (sealed === 'revoked') return 'revoked';
  if (final.status === 'active') return final.isAllowed ? null : 'expired';
  if (final.status === 'revoked') return 'revoked';
  if (final.status === 'closed') return 'expired';
  return sealed === 'active' || (final.status === 'none' && sealed !== 'none') ? 'not-final' : 'not-paid';
}

/** Whether a request by the right reader is served; null: it is. Bytes are judged by what was served before. */
export function whyNotRead(
  grant: HeldGrant,
  read: ReadBody,
  facts: LedgerFacts,
  quotas: CustodyQuotas,
  nowMs: number,
): DenialReason | null {
  const age = nowMs - read.atMs;
  if (age > custodyLimits.requestAgeMsMax || age < -custodyLimits.requestAheadMsMax) return 'replayed';
  const state = whyNotReadable(grant, facts);
  if (state !== null) return state;
  const { terms, row } = grant;
  const isInside =
    terms.vitals.includes(read.vital) &&
    read.fromSeconds >= terms.fromSeconds &&
    read.untilSeconds <= terms.untilSeconds &&
    read.fromSeconds < read.untilSeconds;
  if (!isInside) return 'outside-grant';
  const usage = usageAt(row.usage, nowMs);
  return usage.reads >= quotas.readsPerHourMax || usage.bytes >= quotas.bytesPerDayMax ? 'quota' : null;
}

/** A step on the ledger, or at the post, that is due for a grant. */
export type DueStep = 'release' | 'confirm' | 'deliver' | 'settle' | 'revoke' | 'forget';

/** What is to be done now for a grant that nobody asks about. What is due stays due until the ledger's events say that it is done. */
export function dueSteps({ terms, place, row }: HeldGrant, nowMs: number): readonly DueStep[] {
  const due: DueStep[] = [];
  if (isLongOver(terms, row, nowMs)) return ['forget'];
  const nowSeconds = nowMs / 1000;
  const standsInMs = place * custodyLimits.takeoverMs;
  const isEnded = row.status === 'revoked' || row.status === 'closed';
  if (row.withdrawal !== null) {
    const isRevocable = row.status === 'none' || row.status === 'funded' || row.status === 'active';
    if (isRevocable && nowMs >= row.withdrawnMs + custodyLimits.revokeAfterMs + standsInMs) due.push('revoke');
    return due;
  }
  if (isEnded) return due;
  const isReadable = row.status === 'active' && nowSeconds < row.deadline;
  const isOwed = row.status === 'funded' || row.status === 'delivered' || isReadable;
  if (isOwed && row.releasedMs === 0 && place === 0) due.push('release');
  const isConfirmable = row.status === 'funded' || row.status === 'delivered';
  if (row.receipt !== null && isConfirmable && nowMs >= row.receivedMs + standsInMs) due.push('confirm');
  const { deliverWithin } = terms.signed.offer;
  const isHalfOver = row.status === 'funded' && nowSeconds >= row.deadline - deliverWithin / 2;
  if (isHalfOver && nowSeconds < row.deadline && place === 0 && row.receipt === null) due.push('deliver');
  const isUnchallenged = row.status === 'delivered' && nowSeconds > row.deadline + standsInMs / 1000;
  if (isUnchallenged && row.receipt === null) due.push('settle');
  return due;
}

/** Nobody will be given anything for it any more. */
function isLongOver({ signed }: HeldTerms, row: GrantRow, nowMs: number): boolean {
  // When it ended is not written down; it was not before the last thing that happened to it.
  const lastMs = Math.max(row.depositedMs, row.releasedMs, row.receivedMs, row.withdrawnMs);
  if (row.status === 'none') return nowMs > signed.offer.validUntil * 1000 + custodyLimits.keepUnboughtMs;
  if (row.status === 'active') return nowMs > row.deadline * 1000 + custodyLimits.keepOverMs;
  return (row.status === 'closed' || row.status === 'revoked') && nowMs > lastMs + custodyLimits.keepOverMs;
}
