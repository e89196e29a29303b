import { type Clock, Condition, errorForLog, type Logger, withTimeout } from '@pulsemesh/base';
import { LedgerRefusedError, NoSignerError } from '../grants/errors.ts';
import type { GrantLedger, LedgerStep } from '../grants/grant-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import type { CustodyChecks } from './checks.ts';
import type { CustodyBook } from './custody-book.ts';
import type { CustodyEvents } from './custody-events.ts';
import { custodyLimits } from './custody-limits.ts';
import { type DueStep, dueSteps, type LedgerFacts } from './decide.ts';
import type { HeldGrant } from './grant-row.ts';
import type { LedgerEntries } from './ledger-entries.ts';

export interface LedgerWorkMeans {
  readonly ledger: GrantLedger;
  readonly book: CustodyBook;
  readonly checks: CustodyChecks;
  readonly events: CustodyEvents;
  readonly entries: LedgerEntries | null;
  /** The ledger's head may be this old; null: as it judges itself. */
  readonly headAgeMsMax: number | null;
}

/** A step that was done or refused is not tried again before then, unless the ledger's events say that it is no longer due. */
interface Pause {
  readonly untilMs: number;
  readonly refusals: number;
}

/**
 * What a custodian asks the ledger, and does there. Nothing of it is remembered over a restart but what rows say is due: each step is
 * harmless when it is done again.
 */
export class LedgerWork {
  readonly #means: LedgerWorkMeans;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #pauses = new Map<string, Pause>();
  #hasSigner = true;

  constructor(means: LedgerWorkMeans, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#means = means;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** What the ledger says of a grant; whatever keeps it from being sure is the same as silence. */
  async factsOf(grantId: Hex, signal: AbortSignal): Promise<LedgerFacts> {
    const { ledger, headAgeMsMax } = this.#means;
    try {
      return await withTimeout(
        this.#clock,
        'asking the ledger',
        custodyLimits.ledgerWithinMs,
        async (inTime): Promise<LedgerFacts> => {
          const options = { signal: inTime };
          if (headAgeMsMax !== null && (await ledger.status(options)).headAgeMs > headAgeMsMax) return { kind: 'away' };
          const final = await ledger.stateOf(grantId, 'final', options);
          const { status } = await ledger.stateOf(grantId, 'sealed', options);
          return { kind: 'known', final, sealed: status };
        },
        { signal },
      );
    } catch (error) {
      if (!(error instanceof Condition)) this.#logger.warn('the ledger failed a custodian', errorForLog(error));
      return { kind: 'away' };
    }
  }

  /** Grants of which this is due now. */
  due(step: DueStep): readonly (readonly [Hex, HeldGrant])[] {
    const nowMs = this.#clock.now();
    return [...this.#means.book.all()].filter(
      ([grantId, grant]) => dueSteps(grant, nowMs).includes(step) && !this.#isPaused(step, grantId, nowMs),
    );
  }

  /** Does what is due on the ledger. @throws what may be tried again: then the rest waits with it. */
  async doDue(signal: AbortSignal): Promise<void> {
    if (!this.#hasSigner) return;
    this.#forgetPauses();
    await this.#confirm(signal);
    for (const [grantId, { terms }] of this.due('deliver')) {
      const envelope = this.#means.book.envelopeOf(grantId);
      const wrapped = envelope === null ? null : this.#means.checks.wrappedKeyOf(envelope);
      if (wrapped === null) this.#pause('deliver', grantId, custodyLimits.stepTriesMax);
      else await this.#step('deliver', grantId, { step: 'deliver', offer: terms.signed.offer, wrapped }, signal);
    }
    for (const [grantId, { terms }] of this.due('settle'))
      await this.#step('settle', grantId, { step: 'settle', offer: terms.signed.offer }, signal);
    for (const [grantId, { terms, row }] of this.due('revoke')) {
      const step = { step: 'revoke', offer: terms.signed.offer, signature: row.withdrawal ?? '0x' } as const;
      await this.#step('revoke', grantId, step, signal);
    }
    await this.#logEntries(signal);
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    const due = this.due('confirm');
    for (let at = 0; at < due.length; at += custodyLimits.confirmCountMax) {
      const batch = due.slice(at, at + custodyLimits.confirmCountMax);
      const isDone = batch.length > 1 && (await this.#confirmBatch(batch, signal));
      if (isDone) continue;
      // One that the ledger refuses keeps none of the others waiting.
      for (const one of batch) await this.#step('confirm', one[0], confirmationOf([one]), signal);
    }
  }

  async #confirmBatch(batch: readonly (readonly [Hex, HeldGrant])[], signal: AbortSignal): Promise<boolean> {
    try {
      if (!(await this.#perform(confirmationOf(batch), signal))) return true;
    } catch (error) {
      if (error instanceof LedgerRefusedError) return false;
      throw error;
    }
    for (const [grantId] of batch) this.#pause('confirm', grantId, 0);
    this.#means.events.stepped('confirm', 'done');
    return true;
  }

  async #logEntries(signal: AbortSignal): Promise<void> {
    const { entries } = this.#means;
    if (entries === null) return;
    for (const { leaf, grantId, entry } of entries.waiting(custodyLimits.confirmCountMax)) {
      if (!(await this.#perform({ step: 'log-access', grantId, entry }, signal))) return;
      await entries.done(leaf);
    }
  }

  async #step(name: DueStep, grantId: Hex, step: LedgerStep, signal: AbortSignal): Promise<void> {
    try {
      if (!(await this.#perform(step, signal))) return;
      this.#pause(name, grantId, 0);
      this.#means.events.stepped(name, 'done');
    } catch (error) {
      if (!(error instanceof LedgerRefusedError)) throw error;
      const refusals = (this.#pauses.get(nameOf(name, grantId))?.refusals ?? 0) + 1;
      this.#pause(name, grantId, refusals);
      this.#means.events.stepped(name, 'refused');
      this.#logger.warn('the ledger refuses a step of a custodian', { step: name, reason: error.reason, refusals });
    }
  }

  /** False where this process has no account to do it with. */
  async #perform(step: LedgerStep, signal: AbortSignal): Promise<boolean> {
    if (!this.#hasSigner) return false;
    try {
      await withTimeout(
        this.#clock,
        'a step on the ledger',
        custodyLimits.stepWithinMs,
        (inTime) => this.#means.ledger.perform(step, { signal: inTime }),
        { signal },
      );
      return true;
    } catch (error) {
      if (!(error instanceof NoSignerError)) throw error;
      this.#hasSigner = false;
      this.#logger.warn('a custodian without an account on the ledger confirms and delivers nothing there');
      return false;
    }
  }

  #isPaused(step: DueStep, grantId: Hex, nowMs: number): boolean {
    const pause = this.#pauses.get(nameOf(step, grantId));
    return pause !== undefined && (nowMs < pause.untilMs || pause.refusals >= custodyLimits.stepTriesMax);
  }

  #pause(step: DueStep, grantId: Hex, refusals: number): void {
    this.#pauses.set(nameOf(step, grantId), { untilMs: this.#clock.now() + custodyLimits.stepAgainMs, refusals });
  }

  /** Of grants that are no longer held. */
  #forgetPauses(): void {
    for (const name of this.#pauses.keys()) {
      const grantId = name.slice(name.indexOf('0x')) as Hex; // as `nameOf` makes it
      if (this.#means.book.get(grantId) === undefined) this.#pauses.delete(name);
    }
  }
}

function nameOf(step: DueStep, grantId: Hex): string {
  return `${step} ${grantId}`;
}

function confirmationOf(batch: readonly (readonly [Hex, HeldGrant])[]): LedgerStep {
  return {
    step: 'confirm',
    grants: batch.map(([, { terms, row }]) => ({
      offer: terms.signed.offer,
      delivery: terms.delivery,
      receipt: row.receipt ?? '0x',
    })),
  };
}
