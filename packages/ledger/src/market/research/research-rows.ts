import type { PeerId } from '@pulsemesh/wire';
import type { GrantStatus } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { AccountBinding } from '../messages.ts';

/** What a researcher's office keeps. */
export interface ResearchRows {
  /** By account: bound by both signatures. */
  readonly account: AccountBinding;
  /** By the request's id. */
  readonly ask: ResearchAskRow;
  /** By the handle. */
  readonly counter: CounterRow;
  /** By the grant's id. */
  readonly grant: ResearchGrantRow;
  /** By `grantId/custodian/index`: an access receipt, encoded. */
  readonly access: { readonly custodian: PeerId; readonly receipt: Uint8Array; readonly atMs: number };
  /** Of the ledger's events: `events`. */
  readonly cursor: { readonly at: string; readonly place: number };
}

export interface ResearchAskRow {
  readonly home: PeerId;
  /** As it was sent. */
  readonly message: Uint8Array;
  /** X25519: opens what its offers release. */
  readonly hpkePrivateKey: Uint8Array;
}

export interface CounterRow {
  readonly askId: string;
  /** Decimal. */
  readonly price: string;
  readonly note: string;
  readonly atMs: number;
}

export interface ResearchGrantRow {
  readonly askId: string;
  readonly home: PeerId;
  /** The message `offer`, encoded. */
  readonly offer: Uint8Array;
  readonly validUntil: number;
  readonly offeredMs: number;
  readonly status: GrantStatus;
  /** Seconds since 1970, of the ledger. */
  readonly deadline: number;
  readonly isRefunded: boolean;
  readonly purchaseTransaction: Hex | null;
  /** It opened, and holds what was agreed. */
  readonly envelope: Uint8Array | null;
  /** The buyer's signature that it did (EIP-712 Receipt). */
  readonly receipt: Hex | null;
  readonly receivedMs: number;
  /** The patient's signature that withdrew consent. */
  readonly revocation: Hex | null;
  readonly accesses: number;
}
