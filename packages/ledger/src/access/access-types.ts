import type { PeerId } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';

/** What a custodian writes down. Refused and denied ones are written like those that were served. */
export type AccessKind =
  /** Sealed records were read under a grant. */
  | 'read'
  /** The sealed key was handed over. */
  | 'release'
  /** Somebody asked for what no standing grant allows. Raises an alarm. */
  | 'denied'
  /** A request arrived, and was refused or accepted, by the patient's home. */
  | 'asked'
  | 'refused'
  | 'accepted'
  | 'revoked'
  /** Emergency access by a clinician: with a reason, told at once. */
  | 'emergency';

/**
 * One entry of a custodian's access log, as parties see it. The log itself holds only its hash under a salt (`accessLeaf`), so that
 * what is public names nobody.
 */
export interface AccessRecord {
  readonly kind: AccessKind;
  readonly grantId: Hex;
  /** How many records of this grant the custodian's log had before this one: what was left out shows as a gap. */
  readonly ordinal: number;
  /** Who asked. */
  readonly reader: PeerId;
  /** Milliseconds since 1970, by the custodian. */
  readonly atMs: number;
  /** SHA-256 of the reader's signed request: 32 bytes; zero for what nobody asked for. */
  readonly request: Hex;
  /** Purpose as the consent names it. */
  readonly purpose: string;
  /** Span of recording time that was served, seconds since 1970; both 0 where nothing was. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** Sealed records that were served, and their bytes. */
  readonly records: number;
  readonly bytes: number;
  /** Why it was denied or what the reader said in an emergency; a code, never a health value. */
  readonly reason: string | null;
}

/**
 * A record with all that shows it to be in the log: the salt, its place, an inclusion proof under a checkpoint that the custodian signed,
 * and both signatures. Verifies with keys alone, in browsers too (`verifyAccessReceipt`).
 */
export interface AccessReceipt {
  readonly record: AccessRecord;
  /** 16 bytes. Destroyed on erasure. */
  readonly salt: Uint8Array;
  readonly index: number;
  /** RFC 6962 inclusion proof in the tree of the checkpoint. */
  readonly path: readonly Uint8Array[];
  /** Signed note (C2SP) of the custodian's log. */
  readonly checkpoint: Uint8Array;
  /** The reader's signed request as it arrived; null where nobody asked. */
  readonly request: Uint8Array | null;
  /** The custodian's Ed25519 signature over the encoded record and salt. */
  readonly signature: Uint8Array;
}
