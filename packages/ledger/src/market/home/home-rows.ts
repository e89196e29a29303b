import type { PeerId } from '@pulsemesh/wire';
import type { GrantStatus } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { VitalKind } from '../messages.ts';

/** What a home keeps. Amounts are decimal digits; times milliseconds since 1970 unless they say seconds. */
export interface HomeRows {
  /** By pseudonym. */
  readonly patient: PatientRow;
  /** By the request's id. */
  readonly ask: AskRow;
  /** By `requestId/pseudonym`: a request that reached a patient. */
  readonly inbox: InboxRow;
  /** By the handle. */
  readonly handle: HandleRow;
  readonly draft: DraftRow;
  /** By the grant's id. */
  readonly grant: GrantRow;
  /** By the grant's id: a withdrawal of consent that the ledger has not taken yet. */
  readonly revoking: RevokingRow;
  /** By `grantId/custodian/index`: an access receipt, encoded. */
  readonly access: AccessRow;
  readonly alarm: AlarmRow;
  /** By `custodian/count`: a root of its log on ledger or board. */
  readonly anchor: AnchorRow;
  /** By `token/payee`. */
  readonly credit: CreditRow;
  /** Of the ledger's events: `events`. */
  readonly cursor: CursorRow;
}

export interface PatientRow {
  readonly isAskable: boolean;
  readonly passkey: PasskeyRow | null;
  /** Null: not forgotten. */
  readonly erasedMs: number | null;
}

export interface PasskeyRow {
  readonly credentialId: string;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly enrolledMs: number;
  /** WebAuthn's signature counter as last seen. */
  readonly counter: number;
}

export interface AskRow {
  readonly from: PeerId;
  /** As it came. */
  readonly message: Uint8Array;
  readonly receivedMs: number;
  readonly expiresMs: number;
  /** Whether it was compared with all patients. */
  readonly isMatched: boolean;
}

export interface InboxRow {
  readonly askId: string;
  readonly subject: string;
  readonly state: 'waiting' | 'accepted' | 'refused' | 'countered';
  readonly atMs: number;
  /** What the patient would agree to; null: no counter-proposal was made. */
  readonly counterPrice: string | null;
}

export interface HandleRow {
  readonly subject: string;
  readonly from: PeerId;
  readonly expiresMs: number;
}

export interface DraftRow {
  readonly askId: string;
  readonly subject: string;
  readonly price: string;
  readonly token: Hex;
  readonly buyer: Hex;
  readonly custodian: Hex;
  readonly arbiter: Hex;
  readonly validUntil: number;
  readonly deliverWithin: number;
  readonly accessFor: number;
  readonly terms: Hex;
  readonly nonce: Hex;
  readonly keySalt: Hex;
  readonly salt: Uint8Array;
  readonly consent: string;
  readonly createdMs: number;
}

export interface GrantRow {
  readonly askId: string;
  readonly subject: string;
  readonly researcher: PeerId;
  readonly organisation: string;
  readonly title: string;
  readonly purpose: string;
  readonly vitals: readonly VitalKind[];
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** The message `offer`, encoded. */
  readonly offer: Uint8Array;
  readonly price: string;
  /** What its purse gained by it, decimal; left out: nothing yet. An event that comes again adds nothing. */
  readonly earned?: string;
  readonly token: Hex;
  readonly signer: Hex;
  /** Null: the passkey itself is the signer. */
  readonly keySalt: Hex | null;
  readonly payee: Hex;
  readonly validUntil: number;
  readonly custodians: readonly PeerId[];
  /** Those that signed that they hold the envelope. */
  readonly held: readonly PeerId[];
  readonly offeredMs: number;
  readonly status: GrantStatus;
  /** Seconds since 1970, of the ledger. */
  readonly deadline: number;
  readonly isRefunded: boolean;
  readonly purchaseTransaction: Hex | null;
  /** The patient's signature, once consent was withdrawn. */
  readonly revocation: Hex | null;
  readonly revokedMs: number | null;
  readonly accesses: number;
  /** Day (since 1970) of the last notice that something was read: at most one mail a day. */
  readonly readNoticeDay: number;
}

export interface RevokingRow {
  /** The message `offer` with neither consent nor salt in it, encoded. */
  readonly offer: Uint8Array;
  readonly signature: Hex;
}

export interface AccessRow {
  readonly custodian: PeerId;
  readonly receipt: Uint8Array;
  readonly atMs: number;
}

export interface AlarmRow {
  readonly subject: string;
  readonly kind: 'denied-read' | 'broken-log' | 'unlogged-read' | 'split-log' | 'anchor-missing';
  readonly custodian: PeerId;
  readonly grantId: Hex | null;
  readonly atMs: number;
  readonly text: string;
}

export interface AnchorRow {
  readonly custodian: PeerId;
  readonly root: Hex;
  readonly count: number;
  readonly transaction: Hex | null;
  readonly boardIndex: number | null;
  readonly atMs: number;
}

export interface CreditRow {
  /** What can be withdrawn, decimal. */
  readonly amount: string;
  /** Withdrawals so far: what the next one names. */
  readonly nonce: number;
  /** Transactions of the last of them, newest first: one that comes again counts once. */
  readonly withdrawals?: readonly Hex[];
}

export interface CursorRow {
  /** Decimal. */
  readonly at: string;
  readonly place: number;
}

export function inboxIdOf(askId: string, subject: string): string {
  return `${askId}/${subject}`;
}

/** Ledgers write addresses in capitals of their own. */
export function creditIdOf(of: { readonly token: Hex; readonly payee: Hex }): string {
  return `${of.token}/${of.payee}`.toLowerCase();
}

export const nobody: PatientRow = { isAskable: false, passkey: null, erasedMs: null };
