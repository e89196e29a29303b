import type { PeerId } from '@pulsemesh/wire';
import type { AccessReceipt } from '../access/access-types.ts';
import type { Hex, SignedOffer } from '../offer/offer.ts';

/**
 * What homes, researchers and custodians write to each other: sealed end to end, through mailboxes of the relay, each of them durable before
 * it is acknowledged and harmless when it comes twice. Nothing here travels to a ledger or a board.
 */
export interface MessageBodies {
  /** Researcher to home: what is asked of whom. */
  readonly ask: AskBody;
  /** Home to researcher: one patient's yes. */
  readonly offer: OfferBody;
  /** Home to researcher: one patient would, at another price. */
  readonly counter: CounterBody;
  /** Home to custodian: holds this for the grant. Answered by `held` once durable. */
  readonly deposit: DepositBody;
  readonly held: HeldBody;
  /** Researcher to custodian: hand over the key of a grant that is paid. Answered by `key` or `denied`. */
  readonly claim: ClaimBody;
  readonly key: KeyBody;
  /** Researcher to custodian: the key opens what was agreed (EIP-712 Receipt); whoever has it may confirm on the ledger. */
  readonly received: ReceivedBody;
  /** Researcher to custodian: sealed records. Answered by `records` (several) or `denied`. */
  readonly read: ReadBody;
  readonly records: RecordsBody;
  readonly denied: DeniedBody;
  /** Custodian to home: what was read or refused, with its proof. */
  readonly accessed: AccessedBody;
  /** Home to custodian and researcher: the patient withdrew. Custodians stop at once, before the ledger says so. */
  readonly withdrawn: WithdrawnBody;
  /** Home to custodian: the patient is to be forgotten. Envelope, salts and records of accesses are destroyed; leaves of hashes stay. */
  readonly erased: ErasedBody;
}

export type MessageKind = keyof MessageBodies;

/** Kinds of records that can be asked for. */
export type VitalKind = 'readings' | 'windows' | 'predictions' | 'alerts';

/** Whom a request is for: whoever matches and agreed to be asked; or one patient, by a handle that came with a counter-offer or from the patient. */
export type Audience =
  | { readonly to: 'cohort'; readonly criteria: CohortCriteria }
  | { readonly to: 'handle'; readonly handle: string };

/** What a home can judge from its own records. Absent: does not matter. */
export interface CohortCriteria {
  /** Hours with usable recordings, in all. */
  readonly recordedHoursMin?: number;
  /** Whether the rhythm model ever pointed out an irregular rhythm. */
  readonly irregular?: boolean;
  readonly input?: 'rr' | 'hr' | 'wrist';
}

export interface AskBody {
  /** 16 random bytes in hex; names the request. */
  readonly askId: string;
  readonly audience: Audience;
  readonly title: string;
  /** As `research/rhythm`. */
  readonly purpose: string;
  /** Plain words for the patient: what for, who gains, how long it is kept. At most 4,000 characters. */
  readonly explanation: string;
  readonly organisation: string;
  readonly vitals: readonly VitalKind[];
  /** The agreed interval of recording time, seconds since 1970, whole hours; `until` may lie ahead. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly accessForSeconds: number;
  /** What the researcher proposes as compensation, and in what. 0 is customary. */
  readonly price: bigint;
  readonly token: Hex;
  /** Who pays: bound to the researcher's peer id by both signatures. */
  readonly buyer: AccountBinding;
  /** HPKE, X25519: what the key is sealed to. 32 bytes. */
  readonly hpkePublicKey: Uint8Array;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** A peer and an EVM account say that they are one. */
export interface AccountBinding {
  readonly peer: PeerId;
  readonly account: Hex;
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** Ed25519, by the peer. */
  readonly peerSignature: Uint8Array;
  /** EIP-712, by the account. */
  readonly accountSignature: Hex;
}

export interface OfferBody {
  readonly askId: string;
  readonly signed: SignedOffer;
  /** FHIR R4 Consent, canonical JSON (RFC 8785): what `terms` commits to, with the salt. */
  readonly consent: string;
  readonly salt: Uint8Array;
  /** Who holds envelope and records; at least two, the first one is the offer's custodian. */
  readonly custodians: readonly PeerId[];
  /** SHA-256 of the envelope, so that both sides mean the same delivery. */
  readonly delivery: Hex;
  readonly vitals: readonly VitalKind[];
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

export interface CounterBody {
  readonly askId: string;
  /** For a new request to this one patient, without saying who; good once. */
  readonly handle: string;
  readonly price: bigint;
  readonly note: string;
}

export interface DepositBody {
  readonly signed: SignedOffer;
  /** The pseudonym that storage knows: 16 bytes. */
  readonly subject: Uint8Array;
  readonly buyer: AccountBinding;
  readonly purpose: string;
  readonly vitals: readonly VitalKind[];
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** HPKE sealed subtree keys for the buyer: opaque here. */
  readonly envelope: Uint8Array;
  /** All who hold it, first the one who may deliver on chain. */
  readonly custodians: readonly PeerId[];
}

export interface HeldBody {
  readonly grantId: Hex;
  /** Ed25519 over grant id and envelope hash: the custodian's word that it holds it. */
  readonly signature: Uint8Array;
}

export interface ClaimBody {
  readonly grantId: Hex;
}

export interface KeyBody {
  readonly grantId: Hex;
  readonly envelope: Uint8Array;
  readonly receipt: AccessReceipt;
}

export interface ReceivedBody {
  readonly grantId: Hex;
  readonly delivery: Hex;
  /** EIP-712 `Receipt` by the buyer's account. */
  readonly signature: Hex;
}

export interface ReadBody {
  readonly grantId: Hex;
  /** 16 random bytes in hex: a read is answered once. */
  readonly readId: string;
  readonly vital: VitalKind;
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly atMs: number;
  /** Ed25519 by the peer that the grant's buyer is bound to, over all of the above. */
  readonly signature: Uint8Array;
}

/** A page of sealed records, as storage holds them. */
export interface RecordsBody {
  readonly readId: string;
  /** From 0; `isLast` ends the answer. */
  readonly page: number;
  readonly isLast: boolean;
  /** `[kind, bucketSeconds, id, revision, sealed]` */
  readonly rows: readonly (readonly [number, number, Uint8Array, number, Uint8Array])[];
  /** With the last page. Where its record ends before what was asked, the rest is asked for by a further read. */
  readonly receipt: AccessReceipt | null;
}

export interface DeniedBody {
  /** Of the claim or read: grant id or read id. */
  readonly about: string;
  readonly reason: DenialReason;
  readonly receipt: AccessReceipt | null;
}

export type DenialReason =
  | 'unknown-grant'
  | 'not-paid'
  | 'not-final'
  | 'revoked'
  | 'expired'
  | 'outside-grant'
  | 'not-the-buyer'
  | 'replayed'
  | 'ledger-away'
  | 'quota';

export interface AccessedBody {
  readonly receipts: readonly AccessReceipt[];
}

export interface WithdrawnBody {
  readonly grantId: Hex;
  /** EIP-712 `Revocation` by the patient's signer: custodians can put it on the ledger themselves. */
  readonly signature: Hex;
}

export interface ErasedBody {
  readonly grantId: Hex;
}
