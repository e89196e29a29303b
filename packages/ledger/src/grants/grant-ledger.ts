import type { WaitOptions } from '@pulsemesh/base';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';

/** Where a grant stands. `none`: the ledger has not heard of it (an offer nobody took up). */
export type GrantStatus = 'none' | 'funded' | 'delivered' | 'disputed' | 'active' | 'closed' | 'revoked';

/** What the ledger says of a grant at one head. */
export interface GrantState {
  readonly status: GrantStatus;
  /** Funded: deliver until; delivered: challenge until; active: access until. Seconds since 1970; 0 where nothing runs. */
  readonly deadline: number;
  /** `active` and not past its deadline, by the ledger's own time. */
  readonly isAllowed: boolean;
}

/** How far a reader must be able to rely on what it is told: `sealed` may still be reorganised away, `final` not. */
export type Finality = 'sealed' | 'final';

/** The ledger as it is reached now. */
export interface LedgerStatus {
  readonly kind: 'embedded' | 'rpc' | 'board';
  /** 0 on a board. */
  readonly chainId: number;
  /** Null on a board. */
  readonly contract: Hex | null;
  /** Blocks; entries on a board. */
  readonly head: bigint;
  readonly finalized: bigint;
  /** Milliseconds since the head's time; large: the ledger stands, or what answers is stale. */
  readonly headAgeMs: number;
  /** Who seals blocks; one: a signed log with rules, and pages say so. */
  readonly sealers: readonly string[];
  /** Hash of the contract's code as found; null on a board. */
  readonly codeHash: Hex | null;
}

/** What happened, in the ledger's order. `at` names the block (or entry) and `place` within it: together they are the event's key. */
export type LedgerEvent = {
  readonly at: bigint;
  readonly place: number;
  /** Milliseconds since 1970, by the ledger. */
  readonly timeMs: number;
  readonly transaction: Hex;
} & (
  | { readonly kind: 'purchased' | 'confirmed' | 'disputed'; readonly grantId: Hex; readonly deadline: number }
  | { readonly kind: 'delivered'; readonly grantId: Hex; readonly wrapped: Hex; readonly deadline: number }
  | { readonly kind: 'ended'; readonly grantId: Hex; readonly status: 'closed' | 'revoked'; readonly toBuyer: bigint }
  | { readonly kind: 'withdrawn'; readonly payee: Hex; readonly token: Hex; readonly amount: bigint }
  | {
      readonly kind: 'anchored';
      readonly custodian: Hex;
      readonly previous: Hex;
      readonly root: Hex;
      readonly count: bigint;
    }
  | { readonly kind: 'accessed'; readonly grantId: Hex; readonly entry: Hex }
);

/** One step asked of the ledger. Each is idempotent: a step that was done already is answered with what it did. */
export type LedgerStep =
  | { readonly step: 'purchase'; readonly grants: readonly SignedOffer[] }
  | {
      readonly step: 'confirm';
      readonly grants: readonly { readonly offer: Offer; readonly delivery: Hex; readonly receipt: Hex }[];
    }
  | { readonly step: 'deliver'; readonly offer: Offer; readonly wrapped: Hex }
  | { readonly step: 'settle' | 'refund' | 'dispute'; readonly offer: Offer }
  | { readonly step: 'resolve'; readonly offer: Offer; readonly toBuyer: bigint }
  | { readonly step: 'revoke'; readonly offer: Offer; readonly signature: Hex }
  | {
      readonly step: 'withdraw';
      readonly signer: Hex;
      readonly token: Hex;
      readonly to: Hex;
      readonly amount: bigint;
      readonly nonce: bigint;
      readonly until: number;
      readonly signature: Hex;
    }
  | { readonly step: 'anchor'; readonly previous: Hex; readonly root: Hex; readonly count: bigint }
  | { readonly step: 'log-access'; readonly grantId: Hex; readonly entry: Hex };

/** A step that is on the ledger. */
export interface DoneStep {
  readonly transaction: Hex;
  readonly at: bigint;
  /** 0 on a board. */
  readonly gasUsed: bigint;
}

/**
 * The ledger as the protocol sees it: an EVM chain with the consent contract, or the public board where a place wants no chain (the same
 * flow without money). Reads fail closed: who is not sure does not hand out.
 */
export interface GrantLedger extends AsyncDisposable {
  /** @throws {LedgerUnreachableError} (retryable). */
  status(options?: WaitOptions): Promise<LedgerStatus>;
  /** @throws {LedgerUnreachableError}; {LedgerStaleError} where the head is older than the ledger may be. Both retryable. */
  stateOf(grantId: Hex, need: Finality, options?: WaitOptions): Promise<GrantState>;
  /** What a payee may withdraw. 0 on a board. @throws as `stateOf`. */
  creditOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint>;
  /**
   * Does a step with this process's own signer (on a board: its identity) and resolves once it is sealed. Safe to repeat after a crash.
   * @throws {LedgerRefusedError} with the contract's reason; {SpendingLimitError}; {NoSignerError}; {LedgerUnreachableError}.
   */
  perform(step: LedgerStep, options?: WaitOptions): Promise<DoneStep>;
  /**
   * Final events with `at` >= `from`, in order and without gaps, then as they come, until aborted. A reader that kept the last `at` and
   * `place` goes on after a restart. Reconnects by itself. Should the ledger take back what it had called final, the events of what stands
   * instead follow, from where they part: `at` then goes back once.
   */
  events(from: bigint, options: { readonly signal: AbortSignal }): AsyncIterable<LedgerEvent>;
}
