import { Condition } from '@pulsemesh/base';

/** The parties were closed: whatever waited rejects with it. Started again, a run goes on where it was. Retryable. */
export class PartyClosedError extends Condition {
  override readonly name = 'PartyClosedError';
  constructor() {
    super('party-closed', 'the party was closed', { retryable: true });
  }
}

/** The run is open already, in this process; another process is kept out by the lock on the journal's directory. */
export class RunInUseError extends Condition {
  override readonly name = 'RunInUseError';
  constructor(run: string) {
    super('run-in-use', 'the run is open already', { facts: { run } });
  }
}

/** The run, or the round of it, was forgotten: it cannot be done a second time. */
export class RunForgottenError extends Condition {
  override readonly name = 'RunForgottenError';
  constructor(run: string, scope: string) {
    super('run-forgotten', 'the round was forgotten', { facts: { run, scope } });
  }
}

/**
 * The protocol's function did something else than is written down of its former life: the program was changed in the middle of a round, or
 * it takes something from outside that did not come through its party. Nothing was sent.
 */
export class JournalMismatchError extends Condition {
  override readonly name = 'JournalMismatchError';
  constructor(sequence: number, written: string, now: string) {
    super('journal-mismatch', `step ${sequence} was "${written}" and is now "${now}"`, {
      facts: { sequence, written, now },
    });
  }
}

/** More than a limit allows; `limit` is its name. Nothing was changed. */
export class PartyLimitError extends Condition {
  override readonly name = 'PartyLimitError';
  constructor(limit: string) {
    super('party-limit', `outside a party's limits: ${limit}`, { facts: { limit } });
  }
}
