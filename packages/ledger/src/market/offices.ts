import type { WaitOptions } from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import type { SealedRecord } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { AccessReceipt } from '../access/access-types.ts';
import type { Hex, SignedOffer } from '../offer/offer.ts';
import type { CohortCriteria, VitalKind } from './messages.ts';
import type {
  AcceptInput,
  AssertionView,
  CatalogueEntryView,
  DraftView,
  PatientConsentView,
  ResearchView,
  TransactionView,
} from './views.ts';

/** The patients of a home, as consent needs them; node makes it over the people directory and the records. */
export interface HomePatients {
  /** Pseudonyms (32 hex digits) of registered patients. */
  list(): readonly string[];
  keyTree(subject: string): KeyTree | null;
  /** What catalogue and cohort requests judge by; computed from records, so it may take a while. */
  profile(subject: string, options?: WaitOptions): Promise<PatientProfile>;
}

export interface PatientProfile {
  readonly recordedHours: number;
  readonly irregular: boolean;
  readonly inputs: readonly ('rr' | 'hr' | 'wrist')[];
}

/** Who is told of what; node makes it over the notification role. No health value, no title of a study in it. */
export interface NoticeSink {
  /** Durable when it resolves; the same `noticeId` twice is told once. */
  tell(notice: Notice, options?: WaitOptions): Promise<void>;
}

export interface Notice {
  readonly noticeId: string;
  readonly subject: string;
  readonly kind: 'asked' | 'accepted' | 'paid' | 'read' | 'emergency' | 'revoked' | 'alarm';
}

/** What a home allows whatever a patient says; an operator's setting. */
export interface HomePolicy {
  /** No offer asks for more; null: no cap. */
  readonly priceMax: bigint | null;
  /** How long an offer can be bought; default 72 hours. */
  readonly offerValidForSeconds: number;
  readonly deliverWithinSeconds: number;
  /** Cohorts smaller than this are not in the catalogue; counts are rounded down to it. Default 5. */
  readonly countMin: number;
  readonly arbiter: Hex;
  /** How often the catalogue is counted again; default once a day: who compares two soon after each other learns who came. */
  readonly catalogueEveryMs?: number;
}

/** The patients' side: asks come in, offers go out. Durable; one process at a time. */
export interface HomeOffice extends AsyncDisposable {
  view(subject: string): PatientConsentView;
  /** Called after each change, with whose it is. */
  onChange(handler: (subject: string) => void): Disposable;
  setAskable(subject: string, isAskable: boolean): Promise<void>;
  /** The first one needs nobody's leave, a later one the passkey before it. @throws {PasskeyRefusedError}. */
  enrolPasskey(subject: string, passkey: NewPasskey): Promise<void>;
  /** Prepares an offer with this price (null: as asked). @throws {AskGoneError}; {PriceCapError}. */
  draft(askId: string, subject: string, price: bigint | null): Promise<DraftView>;
  /** Deposits with the custodians, then sends the offer. Resolves once it is durable here; goes on after a restart. */
  accept(subject: string, input: AcceptInput): Promise<Hex>;
  /** Says nothing to anybody. */
  refuse(askId: string, subject: string): Promise<void>;
  counter(askId: string, subject: string, price: bigint, note: string): Promise<void>;
  /** Signature: EIP-712 Revocation by the grant's signer. Custodians stop at once, the ledger follows. */
  revoke(grantId: Hex, signature: Hex): Promise<void>;
  /** Relays a withdrawal signed by the grant's signer. @returns the transaction. */
  withdraw(grantId: Hex, to: Hex, amount: bigint, nonce: bigint, until: number, signature: Hex): Promise<Hex>;
  /** Destroys what ties the ledger to a patient: salts, signatures, consents; revokes what still can be. */
  erase(subject: string): Promise<void>;
  /**
   * Takes a custodian's receipt for an access that this home makes in an emergency, without the patient. Once it resolves the access is
   * kept and the patient is being told: what follows may happen then, not before. @throws {ServedWrongError}; {NotKnownError}.
   */
  takeEmergency(access: EmergencyAccess): Promise<void>;
  /** What the catalogue says of this home now. */
  catalogue(): Promise<CatalogueEntryView>;
}

export interface EmergencyAccess {
  readonly subject: string;
  readonly custodian: PeerId;
  /** As the custodian was told. */
  readonly reason: string;
  /** CBOR of the `AccessReceipt`. */
  readonly receipt: Uint8Array;
}

export interface NewPasskey {
  readonly credentialId: string;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** By the passkey before it, over SHA-256 of the new public key; null for the first. */
  readonly approval: AssertionView | null;
}

/** The researcher's side. Durable; one process at a time. */
export interface ResearchOffice extends AsyncDisposable {
  view(): ResearchView;
  onChange(handler: () => void): Disposable;
  /** Text to be signed by a wallet (EIP-712 JSON) that binds it to this office. */
  bindingFor(account: Hex): { readonly typedData: string };
  bind(account: Hex, signature: Hex): Promise<void>;
  ask(input: AskInput): Promise<string>;
  /** What a browser wallet sends to buy these. @throws {OfferGoneError}. */
  purchaseTransaction(grantIds: readonly Hex[]): Promise<TransactionView>;
  /** Buys with the office's own signer. @throws {NoSignerError}; {SpendingLimitError}. */
  buy(grantIds: readonly Hex[], options?: WaitOptions): Promise<Hex>;
  /** Claims its money back where the key did not come in time. */
  refund(grantId: Hex, options?: WaitOptions): Promise<Hex>;
  /**
   * What a browser wallet sends to say, before the window for that ends, that the key on the ledger is worth nothing: the arbiter then
   * divides the price. The office's own signer does it by itself where no envelope came. @throws {GrantNotReadyError}; {NoSignerError}.
   */
  disputeTransaction(grantId: Hex, options?: WaitOptions): Promise<TransactionView>;
  /** Says so with the office's own signer. @throws {GrantNotReadyError}; {NoSignerError}. */
  dispute(grantId: Hex, options?: WaitOptions): Promise<Hex>;
  /** What to sign (EIP-712 Receipt) where the buyer is a browser wallet; the office's own signer does it by itself. */
  receiptFor(grantId: Hex): { readonly typedData: string } | null;
  confirm(grantId: Hex, signature: Hex): Promise<void>;
  /** Reads under a grant, page after page, opened with the released keys. @throws {AccessDeniedError}; {GrantNotReadyError}. */
  read(
    grantId: Hex,
    vital: VitalKind,
    span: { fromSeconds: number; untilSeconds: number },
    options?: WaitOptions,
  ): Promise<ReadResult>;
}

export interface AskInput {
  readonly home: PeerId;
  readonly criteria?: CohortCriteria;
  readonly handle?: string;
  readonly title: string;
  readonly purpose: string;
  readonly explanation: string;
  readonly vitals: readonly VitalKind[];
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly accessForSeconds: number;
  readonly price: bigint;
  readonly token: Hex;
  readonly account: Hex;
  readonly validForSeconds: number;
}

/** Plaintexts of records (as the `records` codec of vitals reads them), with the access receipt of the read. */
export interface ReadResult {
  readonly records: readonly {
    readonly kind: number;
    readonly bucketSeconds: number;
    readonly plaintext: Uint8Array;
  }[];
  /** CBOR of the `AccessReceipt`. */
  readonly receipt: Uint8Array;
  /** Of the further requests that it took, where a custodian served only the beginning. */
  readonly furtherReceipts?: readonly Uint8Array[];
}

/** Sealed records as a custodian reaches them; node makes it over storage. */
export interface RecordShelf {
  read(
    subject: Uint8Array,
    vital: VitalKind,
    span: { readonly fromSeconds: number; readonly untilSeconds: number },
    options?: WaitOptions,
  ): Promise<readonly SealedRecord[]>;
}

/** Who keeps envelopes, serves reads under grants, and writes each of them down. Durable; one process at a time. */
export interface CustodianOffice extends AsyncDisposable {
  /** Grants it holds something for. */
  readonly grants: number;
  /** C2SP note key of its access log. */
  readonly logKey: string;
  /** Leaves and checkpoint of its log: public, hashes only. */
  log(from: number, limit: number): { readonly checkpoint: Uint8Array; readonly leaves: readonly Uint8Array[] };
  /** Anchors what is not anchored yet, on ledger and board. */
  anchor(options?: WaitOptions): Promise<void>;
  /**
   * Writes down that a clinician reads without a grant, and tells the patient's home. What follows may happen once it
   * resolves, not before. @throws {EmergencyReasonError}.
   */
  emergency(emergency: Emergency): Promise<AccessReceipt>;
}

export interface Emergency {
  readonly reader: PeerId;
  /** The patient's pseudonym: 16 bytes. */
  readonly subject: Uint8Array;
  /** What the clinician says, at most 200 characters; no health value. */
  readonly reason: string;
}

/** Named so that tools of tests can make one. */
export type { SignedOffer };
