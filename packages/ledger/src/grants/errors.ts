import { Condition } from '@pulsemesh/base';

/** The ledger cannot be asked now: no provider answers, or none within the time. Nothing was done that is known of. Retryable. */
export class LedgerUnreachableError extends Condition {
  override readonly name = 'LedgerUnreachableError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('ledger-unreachable', `the ledger cannot be reached: ${reason}`, {
      facts: { reason },
      retryable: true,
      ...options,
    });
  }
}

/** What answers is behind: its newest block is older than may be relied upon. Retryable. */
export class LedgerStaleError extends Condition {
  override readonly name = 'LedgerStaleError';
  constructor(headAgeMs: number, headAgeMsMax: number) {
    super('ledger-stale', `the ledger's head is ${headAgeMs} ms old; at most ${headAgeMsMax} ms are allowed`, {
      facts: { headAgeMs, headAgeMsMax },
      retryable: true,
    });
  }
}

/** The contract (or the board's rules) refuses the step. `reason` is its error's name, as `WrongStatus`. */
export class LedgerRefusedError extends Condition {
  override readonly name = 'LedgerRefusedError';
  readonly reason: string;
  constructor(reason: string, words = reason) {
    super('ledger-refused', `the ledger refuses: ${words}`, { facts: { reason } });
    this.reason = reason;
  }
}

/** The step would spend more than this process may. Nothing was sent. */
export class SpendingLimitError extends Condition {
  override readonly name = 'SpendingLimitError';
  constructor(limit: string, left: bigint) {
    super('spending-limit', `past the spending limit (${limit}); ${left} units are left`, {
      facts: { limit, left: left.toString() },
    });
  }
}

/** This process has no account on the ledger to do steps with. */
export class NoSignerError extends Condition {
  override readonly name = 'NoSignerError';
  constructor() {
    super('no-signer', 'this process has no signer for the ledger');
  }
}
