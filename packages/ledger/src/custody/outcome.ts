import type { PeerId } from '@pulsemesh/wire';
import type { NewAccess } from '../access/access-log.ts';
import type { DenialReason, DepositBody, RecordsBody } from '../market/messages.ts';
import type { Hex } from '../offer/offer.ts';
import type { GrantRow } from './grant-row.ts';

/** Why a message was dropped: nothing was changed, nobody was answered, nothing was served. */
export type CustodyRefusal =
  | 'not-a-message'
  | 'not-for-here'
  | 'wrong-sender'
  | 'unknown'
  | 'repeated'
  | 'contradiction'
  | 'offer'
  | 'receipt'
  | 'withdrawal'
  | 'expired'
  | 'full'
  | 'too-many';

/** A message on its way, without the receipt of the access that it goes with: that is put in when it goes out. */
export type OutMessage =
  | { readonly kind: 'held'; readonly grantId: Hex; readonly signature: Uint8Array }
  /** The envelope is read from the deposit. */
  | { readonly kind: 'key'; readonly grantId: Hex }
  | ({ readonly kind: 'records' } & Omit<RecordsBody, 'receipt'>)
  | { readonly kind: 'denied'; readonly about: string; readonly reason: DenialReason; readonly hasReceipt: boolean }
  | { readonly kind: 'accessed' };

/** A message, and which of the outcome's accesses must be in the log before it goes out; null: none. */
export interface Outgoing {
  readonly to: PeerId;
  readonly message: OutMessage;
  readonly after: number | null;
}

/** What comes of a message, an event or a lapse of time: committed as one, or not at all. */
export interface Outcome {
  readonly refusal?: CustodyRefusal;
  readonly grantId?: Hex;
  readonly row?: GrantRow;
  /** Held from now on. */
  readonly deposit?: DepositBody;
  /** A request that was answered: its id, and the hash of what it said. */
  readonly request?: { readonly readId: string; readonly hash: Hex; readonly atMs: number };
  readonly accesses?: readonly NewAccess[];
  readonly out?: readonly Outgoing[];
  /** What of this grant waits for the post, and gives something away, is called back. */
  readonly stops?: boolean;
  /** Requests that are too old to be served are forgotten. */
  readonly prunes?: boolean;
}

export function refused(refusal: CustodyRefusal): Outcome {
  return { refusal };
}
