import type { PeerId } from '@pulsemesh/wire';
import type { GrantStatus, LedgerEvent } from '../grants/grant-ledger.ts';
import type { DepositBody } from '../market/messages.ts';
import type { Hex } from '../offer/offer.ts';

/** What a custodian agreed to hold, without the envelope, which stays on the disk until it is asked for. */
export interface HeldTerms extends Omit<DepositBody, 'envelope'> {
  /** SHA-256 of the envelope. */
  readonly delivery: Hex;
  readonly envelopeBytes: number;
}

/** Reads and bytes of the hour and day that began then. */
export interface GrantUsage {
  readonly hourMs: number;
  readonly reads: number;
  readonly dayMs: number;
  readonly bytes: number;
}

/** What became of a grant, as far as it was heard here. Plain values that CBOR has. */
export interface GrantRow {
  readonly home: PeerId;
  readonly depositedMs: number;
  /** By the ledger's final events. */
  readonly status: GrantStatus;
  /** Of that status, seconds since 1970; 0 where nothing runs. */
  readonly deadline: number;
  /** When the envelope was last handed over; 0: never. */
  readonly releasedMs: number;
  /** The buyer's EIP-712 receipt; null: not heard of. */
  readonly receipt: Hex | null;
  readonly receivedMs: number;
  /** The patient's EIP-712 revocation; null: consent stands. */
  readonly withdrawal: Hex | null;
  readonly withdrawnMs: number;
  readonly usage: GrantUsage;
}

/** A grant that something is held for. */
export interface HeldGrant {
  readonly terms: HeldTerms;
  /** Which of the named custodians this is: 0 may deliver on the ledger, the others stand in. */
  readonly place: number;
  readonly row: GrantRow;
}

export const noUsage: GrantUsage = { hourMs: 0, reads: 0, dayMs: 0, bytes: 0 };

/** The row after a final event of its grant. */
export function rowAfter(row: GrantRow, event: LedgerEvent): GrantRow {
  switch (event.kind) {
    case 'purchased':
      return { ...row, status: 'funded', deadline: event.deadline };
    case 'confirmed':
      return { ...row, status: 'active', deadline: event.deadline };
    case 'delivered':
    case 'disputed':
      return { ...row, status: event.kind, deadline: event.deadline };
    case 'ended':
      return { ...row, status: event.status, deadline: 0 };
    default:
      return row;
  }
}

/** Usage as of now: what is older than its hour or day no longer counts. */
export function usageAt(usage: GrantUsage, nowMs: number): GrantUsage {
  const hour = nowMs - usage.hourMs < hourMs ? usage : { hourMs: nowMs, reads: 0 };
  const day = nowMs - usage.dayMs < 24 * hourMs ? usage : { dayMs: nowMs, bytes: 0 };
  return { hourMs: hour.hourMs, reads: hour.reads, dayMs: day.dayMs, bytes: day.bytes };
}

const hourMs = 3_600_000;
