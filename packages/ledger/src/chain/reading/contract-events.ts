import { decodeEventLog, encodeEventTopics } from 'viem';
import { consentLedgerAbi } from '../../contract/index.ts';
import type { GrantStatus, LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { ChainLog } from './chain-answers.ts';

/** The contract's `Status`, in its order. */
export const grantStatuses: readonly GrantStatus[] = [
  'none',
  'funded',
  'delivered',
  'disputed',
  'active',
  'closed',
  'revoked',
];

/** The event that a log tells of. Null: one of a kind that is not known. */
export function eventOf(log: ChainLog, timeMs: number): LedgerEvent | null {
  const decoded = decodedOf(log);
  if (decoded === null) return null;
  const place = { at: log.at, place: log.place, timeMs, transaction: log.transaction };
  switch (decoded.eventName) {
    case 'Purchased':
      return { ...place, kind: 'purchased', grantId: decoded.args.id, deadline: decoded.args.deadline };
    case 'Confirmed':
      return { ...place, kind: 'confirmed', grantId: decoded.args.id, deadline: decoded.args.accessUntil };
    case 'Disputed':
      return { ...place, kind: 'disputed', grantId: decoded.args.id, deadline: decoded.args.deadline };
    case 'Delivered': {
      const { id, wrapped, deadline } = decoded.args;
      return { ...place, kind: 'delivered', grantId: id, wrapped, deadline };
    }
    case 'Ended': {
      const { id, status, toBuyer } = decoded.args;
      const ended = grantStatuses[status] === 'revoked' ? 'revoked' : 'closed';
      return { ...place, kind: 'ended', grantId: id, status: ended, toBuyer };
    }
    case 'Withdrawn':
      return { ...place, kind: 'withdrawn', ...decoded.args };
    case 'Anchored':
      return { ...place, kind: 'anchored', ...decoded.args };
    case 'Accessed':
      return { ...place, kind: 'accessed', grantId: decoded.args.id, entry: decoded.args.entry };
    default:
      return null;
  }
}

function decodedOf({ data, topics }: ChainLog) {
  const [signature, ...others] = topics;
  if (signature === undefined) return null;
  try {
    return decodeEventLog({ abi: consentLedgerAbi, data, topics: [signature, ...others] });
  } catch {
    return null; // not of this contract's interface
  }
}

type EventName = 'Purchased' | 'Delivered' | 'Confirmed' | 'Disputed' | 'Ended' | 'Withdrawn' | 'Anchored' | 'Accessed';

/** The first topic of logs of an event. */
export function topicOf(eventName: EventName): Hex {
  const [topic] = encodeEventTopics({ abi: consentLedgerAbi, eventName });
  return topic as Hex; // no event of this contract is anonymous
}
