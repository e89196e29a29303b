// What people see of requests, grants and accesses: plain JSON, the same in the API, the command and the page. Amounts are whole units in
// decimal digits; times are milliseconds since 1970; ids and signatures are hex.
import type { Hex } from '../offer/offer.ts';
import type { CohortCriteria, VitalKind } from './messages.ts';

/** An amount and what it is in. */
export interface AmountView {
  readonly units: string;
  readonly token: Hex;
  /** `ETH`, `units` on the embedded ledger, or the token's own symbol. */
  readonly symbol: string;
  readonly decimals: number;
}

/** What a request asks for. */
export interface AskTermsView {
  readonly askId: string;
  readonly organisation: string;
  readonly title: string;
  readonly purpose: string;
  readonly explanation: string;
  readonly vitals: readonly VitalKind[];
  readonly fromMs: number;
  readonly untilMs: number;
  readonly accessForMs: number;
  readonly price: AmountView;
}

/** A researcher's request as one patient sees it. */
export interface AskView extends AskTermsView {
  readonly subject: string;
  readonly researcher: string;
  /** Whether the board shows the researcher's key under this name. */
  readonly isKnown: boolean;
  readonly askedMs: number;
  readonly expiresMs: number;
  readonly state: 'waiting' | 'accepted' | 'refused' | 'countered' | 'expired';
}

/** Where a grant is, in words that people use. `offered`: signed, not paid yet. */
export type GrantPhase =
  | 'offered'
  | 'paid'
  | 'delivered'
  | 'active'
  | 'disputed'
  | 'refunded'
  | 'closed'
  | 'revoked'
  | 'expired';

/** A grant as patient and researcher see it. */
export interface GrantView {
  readonly grantId: Hex;
  readonly askId: string;
  /** The patient's pseudonym; null for the researcher. */
  readonly subject: string | null;
  readonly organisation: string;
  readonly title: string;
  readonly purpose: string;
  readonly vitals: readonly VitalKind[];
  readonly fromMs: number;
  readonly untilMs: number;
  readonly price: AmountView;
  readonly phase: GrantPhase;
  /** What the phase waits for: buy until, deliver until, challenge until, access until; null where nothing runs. */
  readonly deadlineMs: number | null;
  readonly offeredMs: number;
  readonly purchaseTransaction: Hex | null;
  /** FHIR R4 Consent (JSON text) that the grant's `terms` commit to. */
  readonly consent: string;
  readonly accesses: number;
  /** Account that pays, as the offer names it. */
  readonly buyer: Hex;
  /** For the patient: with what the grant's signer is made again, to withdraw consent or money; null for the researcher, and once erased. */
  readonly signing: GrantSigningView | null;
}

/** What a patient's device needs to sign once more for a grant. */
export interface GrantSigningView {
  /** ERC-7913 bytes of the grant's signer. */
  readonly signer: Hex;
  /** Input of the passkey's PRF (`grantKeyOf`); null: the passkey itself is the signer. */
  readonly keySalt: Hex | null;
  /** EIP-712 domain; on a board 0 and the zero address. */
  readonly chainId: number;
  readonly contract: Hex;
}

/** One entry of "who read what and when", with what a browser needs to check it. */
export interface AccessView {
  readonly grantId: Hex;
  readonly kind: string;
  readonly reader: string;
  readonly organisation: string | null;
  readonly custodian: string;
  readonly atMs: number;
  readonly purpose: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly records: number;
  readonly bytes: number;
  readonly reason: string | null;
  readonly index: number;
  /** CBOR of the `AccessReceipt`, base64: `verifyAccessReceipt` of @pulsemesh/ledger/browser takes it. */
  readonly receipt: string;
  /** Where its checkpoint's root is anchored; null: not yet. */
  readonly anchor: AnchorView | null;
}

/** A root of a custodian's log on ledger and board. */
export interface AnchorView {
  readonly custodian: string;
  readonly root: Hex;
  readonly count: number;
  /** Transaction on the ledger; null where it is on the board alone. */
  readonly transaction: Hex | null;
  readonly boardIndex: number | null;
  readonly atMs: number;
}

/** An unsigned offer: what the patient's device signs, and with which words. */
export interface DraftView {
  readonly draftId: string;
  readonly askId: string;
  /** The offer without signer and payee, as JSON (amounts decimal). */
  readonly offer: Readonly<Record<string, string | number>>;
  /** 32 bytes: what the patient's enrolled passkey is asked to sign (`draftDigest`). */
  readonly challenge: Hex;
  /** 32 bytes: input of the passkey's PRF, from which the grant's own key is made (`grantKeyOf`). */
  readonly keySalt: Hex;
  readonly chainId: number;
  readonly contract: Hex;
  /** FHIR Consent as it will be committed to. */
  readonly consent: string;
  /** With `consent` it gives the offer's `terms` (`termsOf`): a device checks that what it shows is what it signs. */
  readonly salt: Hex;
  /** ERC-7913 bytes of the enrolled passkey itself, for authenticators without PRF; null: it cannot sign for this ledger. */
  readonly passkeySigner: Hex | null;
  readonly price: AmountView;
}

/** A passkey's answer, each field base64url as browsers give it. */
export interface AssertionView {
  readonly credentialId: string;
  readonly authenticatorData: string;
  readonly clientData: string;
  readonly signature: string;
}

/** What a patient's device says yes with. */
export interface AcceptInput {
  readonly draftId: string;
  /** ERC-7913 bytes of the grant's own signer. */
  readonly signer: Hex;
  /** Over the offer's EIP-712 digest with that signer and its purse in it. */
  readonly signature: Hex;
  /** Over the draft's challenge, by the enrolled passkey. */
  readonly assertion: AssertionView;
}

/** What a patient has earned, by token. */
export interface EarningsView {
  readonly amounts: readonly (AmountView & {
    readonly grantId: Hex;
    readonly payee: Hex;
    readonly withdrawable: string;
    /** What the next `Withdrawal` of this purse has to name; decimal digits. */
    readonly nonce: string;
  })[];
}

/** Everything about consent of one patient. */
export interface PatientConsentView {
  readonly subject: string;
  /** Whether requests to a cohort may reach this patient. */
  readonly isAskable: boolean;
  /** The enrolled passkey; null: none yet. */
  readonly passkey: { readonly credentialId: string; readonly enrolledMs: number } | null;
  readonly asks: readonly AskView[];
  readonly grants: readonly GrantView[];
  readonly accesses: readonly AccessView[];
  readonly alarms: readonly AlarmView[];
  readonly earnings: EarningsView;
  /** When all that tied the ledger to this patient was destroyed. */
  readonly erasedMs?: number;
}

/** Something that must not be: a broken log, a read without a grant, a custodian that says one thing here and another there. */
export interface AlarmView {
  readonly alarmId: string;
  readonly kind: 'denied-read' | 'broken-log' | 'unlogged-read' | 'split-log' | 'anchor-missing';
  readonly custodian: string;
  readonly grantId: Hex | null;
  readonly atMs: number;
  readonly text: string;
}

/** What a home offers, to whoever reads the board; counts below `countMin` are left out, others rounded down. */
export interface CatalogueEntryView {
  readonly home: string;
  readonly organisation: string;
  readonly cohorts: readonly {
    readonly criteria: CohortCriteria;
    readonly patients: number;
    readonly vitals: readonly VitalKind[];
  }[];
  readonly updatedMs: number;
}

/** The ledger as pages show it. */
export interface LedgerView {
  readonly kind: 'embedded' | 'rpc' | 'board' | 'none';
  readonly chainId: number;
  readonly contract: Hex | null;
  readonly head: string;
  readonly finalized: string;
  readonly headAgeMs: number;
  readonly sealers: readonly string[];
  readonly codeHash: Hex | null;
  /** `away`: does not answer; `stale`: its head is old; `wrong`: another chain or contract than configured. Then nothing is released. */
  readonly state: 'up' | 'away' | 'stale' | 'wrong';
  /** Plain words: what this ledger is worth. With one sealer: a signed log with rules. */
  readonly words: string;
  readonly symbol: string;
  /** Of its own coin: how many digits of an amount are behind the point. */
  readonly decimals: number;
}

/** What a researcher's office shows. */
export interface ResearchView {
  readonly organisation: string;
  readonly self: string;
  /** Account of the office's own signer and what it may still spend; null: buys with a browser wallet only. */
  readonly signer: { readonly account: Hex; readonly leftToSpend: string } | null;
  /** Accounts bound to this office by both signatures. */
  readonly accounts: readonly Hex[];
  readonly catalogue: readonly CatalogueEntryView[];
  readonly asks: readonly (AskTermsView & {
    readonly askedMs: number;
    readonly expiresMs: number;
    /** Peer id of the home that was asked: a request by handle goes there, too. */
    readonly home: string;
    readonly offers: number;
    readonly counters: readonly { readonly handle: string; readonly price: AmountView; readonly note: string }[];
  })[];
  readonly grants: readonly GrantView[];
  readonly accesses: readonly AccessView[];
}

/** A transaction for a browser wallet. */
export interface TransactionView {
  readonly to: Hex;
  readonly data: Hex;
  /** Hex quantity. */
  readonly value: Hex;
  readonly chainId: number;
}
