// The part of the HTTP API about consent, compensation and access: at patients' homes, at researchers, and what is public at both.
import type { AnchorView, AssertionView, Hex, LedgerView, ResearchView, VitalKind } from '@pulsemesh/ledger/views';

export type {
  AcceptInput,
  AccessView,
  AlarmView,
  AmountView,
  AnchorView,
  AskView,
  AssertionView,
  CatalogueEntryView,
  CohortCriteria,
  DraftView,
  EarningsView,
  GrantPhase,
  GrantSigningView,
  GrantView,
  Hex,
  LedgerView,
  PatientConsentView,
  ResearchView,
  TransactionView,
  VitalKind,
} from '@pulsemesh/ledger/views';

/**
 * All want `Authorization: Bearer <token>`. Amounts are whole units in decimal digits, times milliseconds since 1970, ids of grants and
 * signatures `0x` and lower-case hex. What a node does not serve (a researcher's node has no patients) answers 404 `not-here`. Errors are
 * `{ code, message }`; 503 where trying again may help (`ledger-away`, `ledger-stale`), 409 where somebody was faster.
 *
 * GET  /api/v1/profile                                         → ProfileView
 *
 * A home:
 * GET  /api/v1/patients/:subject/consent                       → PatientConsentView
 * PUT  /api/v1/patients/:subject/consent/askable               AskableInput → PatientConsentView
 * POST /api/v1/patients/:subject/consent/passkey               PasskeyInput → PatientConsentView
 * POST /api/v1/patients/:subject/consent/asks/:askId/draft     DraftInput → DraftView
 * POST /api/v1/patients/:subject/consent/asks/:askId/refuse    → PatientConsentView
 * POST /api/v1/patients/:subject/consent/asks/:askId/counter   CounterInput → PatientConsentView
 * POST /api/v1/patients/:subject/consent/accept                AcceptInput → AcceptedView (201)
 * POST /api/v1/patients/:subject/consent/grants/:grantId/revoke    RevokeInput → PatientConsentView
 * POST /api/v1/patients/:subject/consent/grants/:grantId/withdraw  WithdrawInput → TransactionDone
 * POST /api/v1/patients/:subject/consent/erase                 EraseInput → PatientConsentView
 * GET  /api/v1/patients/:subject/consent/export?format=fhir|csv&grantId=   a download: the patient's own data, receipts inside
 * POST /api/v1/patients/:subject/consent/emergency?format=fhir|csv   EmergencyInput → a download: the last day, logged, the patient told
 *
 * A researcher's node:
 * GET  /api/v1/research                                        → ResearchView
 * POST /api/v1/research/asks                                   AskRequest → AskedView (201)
 * GET  /api/v1/research/binding?account=                       → ToSignView
 * POST /api/v1/research/bind                                   BindInput → ResearchView
 * GET  /api/v1/research/grants/:grantId/transaction            → TransactionView
 * POST /api/v1/research/grants/:grantId/bought                 BoughtInput → ResearchView
 * POST /api/v1/research/grants/:grantId/buy                    → TransactionDone (the office's own signer)
 * POST /api/v1/research/grants/:grantId/refund                 → TransactionDone
 * GET  /api/v1/research/grants/:grantId/dispute                → TransactionView (for a wallet)
 * POST /api/v1/research/grants/:grantId/dispute                → TransactionDone (the office's own signer)
 * GET  /api/v1/research/grants/:grantId/receipt                → ReceiptAnswer
 * POST /api/v1/research/grants/:grantId/confirm                SignatureInput → ResearchView
 * GET  /api/v1/research/grants/:grantId/data?format=fhir|csv&vital=&fromMs=&untilMs=   a download: logged as a read
 *
 * Both:
 * GET  /api/v1/audit                                           → AuditView
 * GET  /api/v1/audit/custodians/:peer/leaves?from=             → LeavesView
 * POST /api/rpc                                                JSON-RPC for wallets, by an allow-list
 *
 * GET  /api/v1/live brings `{type: 'consent', subject}` and `{type: 'ledger', head}` beside the others (types.ts).
 */
export interface ProfileView {
  /** `home`: patients' side; `research`: a researcher's node; `network`: a gateway without an office of either. */
  readonly kind: 'home' | 'research' | 'network';
  /** Null: this node follows no ledger. */
  readonly ledger: LedgerView | null;
  /** Under what name it stands on the board; null where it does not. */
  readonly organisation: string | null;
  /** At a home: patients with requests that nobody answered yet, or with alarms; what a page counts beside its links. */
  readonly waiting: readonly { readonly subject: string; readonly asks: number; readonly alarms: number }[];
}

export interface AskableInput {
  readonly isAskable: boolean;
}

/** Who opens records without the patient, and why. One line each, at most 60 and 120 characters, without a health value. */
export interface EmergencyInput {
  readonly by: string;
  readonly reason: string;
}

/** A passkey to enrol. base64url as browsers give it; the key is the uncompressed P-256 point, 65 bytes. */
export interface PasskeyInput {
  readonly credentialId: string;
  readonly publicKey: string;
  /** By the passkey before it, over SHA-256 of the new public key; null for the first. */
  readonly approval: AssertionView | null;
}

export interface DraftInput {
  /** Null: as asked. */
  readonly price: string | null;
}

export interface CounterInput {
  readonly price: string;
  /** For the researcher; at most 500 characters. Names nobody unless the patient does. */
  readonly note: string;
}

export interface AcceptedView {
  readonly grantId: Hex;
}

/** EIP-712 `Revocation` by the grant's signer. */
export interface RevokeInput {
  readonly signature: Hex;
}

/** EIP-712 `Withdrawal` by the grant's signer. `until`: seconds since 1970. */
export interface WithdrawInput {
  readonly to: Hex;
  readonly amount: string;
  readonly nonce: string;
  readonly until: number;
  readonly signature: Hex;
}

/** Erasing cannot be undone: the word says that it is meant. */
export interface EraseInput {
  readonly confirmation: 'erase';
}

export interface TransactionDone {
  readonly transaction: Hex;
}

export interface AskRequest {
  /** Peer id of the home, from the catalogue. */
  readonly home: string;
  /** Whom it is for: a cohort, or one patient by the handle of a counter-offer. One of the two. */
  readonly criteria?: ResearchView['catalogue'][number]['cohorts'][number]['criteria'];
  readonly handle?: string;
  readonly title: string;
  readonly purpose: string;
  readonly explanation: string;
  readonly vitals: readonly VitalKind[];
  readonly fromMs: number;
  readonly untilMs: number;
  readonly accessForMs: number;
  readonly price: string;
  /** Zero address: the ledger's own coin. Default that. */
  readonly token?: Hex;
  /** Who pays: one of `ResearchView.accounts`, or the office's own signer. */
  readonly account: Hex;
  readonly validForMs: number;
}

export interface AskedView {
  readonly askId: string;
}

/** EIP-712 as JSON, for a wallet's `eth_signTypedData_v4`. */
export interface ToSignView {
  readonly typedData: string;
}

export interface BindInput {
  readonly account: Hex;
  readonly signature: Hex;
}

/** What a wallet said when it had sent the purchase. The office waits for the ledger all the same. */
export interface BoughtInput {
  readonly transaction: Hex;
}

export interface ReceiptAnswer {
  /** Null: nothing to sign (not delivered yet, or done). */
  readonly receipt: ToSignView | null;
}

export interface SignatureInput {
  readonly signature: Hex;
}

/** A public event of the ledger. */
export interface LedgerEventView {
  /** Block, or entry of the board, in decimal digits. */
  readonly at: string;
  readonly place: number;
  readonly timeMs: number;
  readonly transaction: Hex;
  readonly kind: 'purchased' | 'confirmed' | 'disputed' | 'delivered' | 'ended' | 'withdrawn' | 'anchored' | 'accessed';
  readonly grantId: Hex | null;
  /** Of kind `ended`: `closed` or `revoked`. */
  readonly status: string | null;
  /** Of `withdrawn` (amount) and `ended` (to the buyer); decimal digits. */
  readonly amount: string | null;
  /** Of kind `anchored`. */
  readonly custodian: Hex | null;
  readonly root: Hex | null;
  readonly count: number | null;
}

/** A custodian's public log, as it shows it now. */
export interface CustodianLogView {
  readonly peer: string;
  /** C2SP note verifier key of its log. */
  readonly logKey: string;
  /** Its account on the ledger, under which it anchors; null on a board. */
  readonly account: Hex | null;
  /** Signed note, base64; null: it does not answer. */
  readonly checkpoint: string | null;
  readonly size: number;
}

/** All that is public, for a browser to verify. */
export interface AuditView {
  readonly ledger: LedgerView | null;
  /** Newest first, at most 1,000. */
  readonly events: readonly LedgerEventView[];
  readonly anchors: readonly AnchorView[];
  readonly custodians: readonly CustodianLogView[];
}

/** Leaves of a custodian's log: hashes, 64 hex digits each. At most 1,000 at once. */
export interface LeavesView {
  readonly from: number;
  readonly leaves: readonly string[];
  /** Signed note, base64, of the log when they were read. */
  readonly checkpoint: string;
}
