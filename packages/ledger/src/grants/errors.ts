import { Condition, type ErrorFacts } from '@pulsemesh/base';

/** No provider of the ledger answers. Nothing is known to have been done; the same call may work later. */
export class LedgerUnreachableError extends Condition {
  override readonly name = 'LedgerUnreachableError';
  constructor(reason: string, options: { readonly facts?: ErrorFacts; readonly cause?: unknown } = {}) {
    const { facts, ...others } = options;
    super(
      'ledger-unreachable',
      `the ledger cannot be reached: ${reason}. It is asked again; see that its provider runs.`,
      { facts: { reason, ...facts }, ...others, retryable: true },
    );
  }
}

/** What answers is older than the ledger may be: nothing is released on its word. */
export class LedgerStaleError extends Condition {
  override readonly name = 'LedgerStaleError';
  constructor(headAgeMs: number, headAgeMsMax: number) {
    super(
      'ledger-stale',
      `the ledger's head is ${headAgeMs} ms old, ${headAgeMsMax} ms are allowed: its provider lags, or the chain stands. Nothing is handed out until it is fresh.`,
      { facts: { headAgeMs, headAgeMsMax }, retryable: true },
    );
  }
}

/** Which of the things that make a ledger the configured one differs. */
export type LedgerFault = 'chain-id' | 'no-code' | 'code-hash';

const faultWords: Readonly<Record<LedgerFault, string>> = {
  'chain-id': 'it is another chain',
  'no-code': 'there is no contract at the configured address',
  'code-hash': 'the contract at the configured address is another program',
};

/** What answers is not the configured ledger: nothing is sent to it, nothing is released on its word. Not retryable. */
export class LedgerWrongError extends Condition {
  override readonly name = 'LedgerWrongError';
  constructor(fault: LedgerFault, facts: { readonly expected: string; readonly found: string }) {
    super(
      'ledger-wrong',
      `what answers is not the configured ledger: ${faultWords[fault]} (expected ${facts.expected}, found ${facts.found}). Correct the ledger's chain id, contract or address in the configuration.`,
      { facts: { fault, ...facts } },
    );
  }
}

/** The ledger refuses a step: `reason` is the contract's own name for it, or a kebab-case one of ours. Nothing changed. */
export class LedgerRefusedError extends Condition {
  override readonly name = 'LedgerRefusedError';
  readonly reason: string;
  constructor(
    reason: string,
    words = reason,
    options: { readonly facts?: ErrorFacts; readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    const { facts, ...others } = options;
    super('ledger-refused', `the ledger refuses: ${words}`, { facts: { reason, ...facts }, ...others });
    this.reason = reason;
  }
}

/** The step would spend more than this process's signer may. Nothing was sent. */
export class SpendingLimitError extends Condition {
  override readonly name = 'SpendingLimitError';
  constructor(
    period: 'day' | 'total',
    facts: { readonly token: string; readonly asked: bigint; readonly left: bigint; readonly limit: bigint },
  ) {
    super(
      'spending-limit',
      `the step would spend ${facts.asked} of ${facts.token}; of this signer's limit ${period === 'day' ? 'of the day' : 'in total'} ${facts.left} of ${facts.limit} are left. Raise the limit${period === 'day' ? ', or wait until tomorrow (UTC)' : ''}.`,
      {
        facts: {
          period,
          token: facts.token,
          asked: facts.asked.toString(),
          left: facts.left.toString(),
          limit: facts.limit.toString(),
        },
        retryable: period === 'day',
      },
    );
  }
}

/** This process holds no key for the ledger. */
export class NoSignerError extends Condition {
  override readonly name = 'NoSignerError';
  constructor() {
    super('no-signer', 'this process has no account on the ledger: configure a signer, or use a wallet for this step');
  }
}
