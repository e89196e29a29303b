import { type Clock, errorCode, type Logger, type Meter, type Random, type Timer } from '@pulsemesh/base';
import { type ComposeOptions, composeMail } from './compose.ts';
import type { KeyedMail, MailOutbox } from './outbox.ts';
import type { MailRow } from './outbox-rows.ts';
import { MailRefusedError, type MailTransport } from './transport.ts';

export interface MailSenderOptions extends ComposeOptions {
  /** Mails offered at the same time. Default 4. */
  readonly sendingMax: number;
  /** Pause after the first failure; doubled each time, half of it drawn at random. Default 1,000. */
  readonly retryMs: number;
  /** Longest pause. Default 300,000. */
  readonly retryMsMax: number;
  /** A mail not taken for so long is given up. Default 24 hours. */
  readonly giveUpAfterMs: number;
}

export interface MailSenderDeps {
  readonly outbox: MailOutbox;
  readonly transport: MailTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/**
 * Offers the outbox' mails to the mail server until it takes them. Each attempt is written down before it begins
 * and its end right after the server's answer; nothing lies between the 250 and that commit. SMTP has no
 * idempotency, so a process that dies exactly there offers the mail again after its restart, under the same
 * Message-ID: for a health alert, twice is better than never. The demo's inbox, and mailboxes that look at the
 * Message-ID, show it once; others may show it twice.
 */
export class MailSender implements AsyncDisposable {
  readonly #options: MailSenderOptions;
  readonly #deps: MailSenderDeps;
  readonly #onSent: () => void;
  readonly #waiting = new Map<string, MailRow>();
  readonly #sending = new Map<string, Promise<void>>();
  readonly #sent;
  readonly #deferred;
  readonly #failed;
  #timer: Timer | undefined;
  #isStopped = false;

  /** Starts with what waits in the outbox. `onSent` is called after each mail the server took. */
  constructor(options: MailSenderOptions, deps: MailSenderDeps, onSent: () => void) {
    this.#options = options;
    this.#deps = deps;
    this.#onSent = onSent;
    this.#sent = deps.meter.counter('mails_sent_total', 'Mails the mail server took', ['variant']);
    this.#deferred = deps.meter.counter('mails_deferred_total', 'Attempts after which a mail waits for another');
    this.#failed = deps.meter.counter('mails_failed_total', 'Mails given up', ['reason']);
    const reoffered = deps.meter.counter('mails_reoffered_total', 'Mails whose attempt a crash interrupted');
    for (const [key, row] of deps.outbox.waiting()) {
      if (row.state === 'attempting') {
        reoffered.add();
        deps.logger.warn('a mail whose attempt was interrupted is offered again', { alertId: row.alertId });
      }
      this.#waiting.set(key, row.state === 'attempting' ? { ...row, nextMs: deps.clock.now() } : row);
    }
    this.#pump();
  }

  /** Mails not taken yet. */
  get pending(): number {
    return this.#waiting.size + this.#sending.size;
  }

  /** Takes mails that are in the outbox already. */
  add(mails: readonly KeyedMail[]): void {
    for (const [key, row] of mails) this.#waiting.set(key, row);
    this.#pump();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#sending.values());
  }

  #pump(): void {
    this.#timer?.cancel();
    if (this.#isStopped) return;
    const nowMs = this.#deps.clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, row] of this.#waiting) {
      if (this.#sending.size >= this.#options.sendingMax) return; // the end of one pumps again
      if (row.nextMs > nowMs) nextMs = Math.min(nextMs, row.nextMs);
      else this.#begin(key, row);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#deps.clock.setTimer(() => this.#pump(), Math.min(nextMs - nowMs, this.#options.retryMsMax));
  }

  #begin(key: string, row: MailRow): void {
    this.#waiting.delete(key);
    const sending = this.#attempt(key, row)
      .catch((error: unknown) => {
        // The outbox itself failed: the row on disk still says what was; try again later.
        this.#deps.logger.error('the mail outbox could not be written', { code: errorCode(error) });
        this.#waiting.set(key, { ...row, nextMs: this.#deps.clock.now() + this.#pauseMs(row.attempts + 1) });
      })
      .finally(() => {
        this.#sending.delete(key);
        this.#pump();
      });
    this.#sending.set(key, sending);
  }

  async #attempt(key: string, waiting: MailRow): Promise<void> {
    const { outbox, transport, logger } = this.#deps;
    const row = await outbox.markAttempting(key, waiting);
    try {
      await transport.send(composeMail(row, this.#options));
    } catch (error) {
      return await this.#notTaken(key, row, error);
    }
    await outbox.markSent(key, row);
    this.#sent.add(1, { variant: row.variant });
    logger.info('alert mailed', { alertId: row.alertId, variant: row.variant, attempts: row.attempts });
    this.#onSent();
  }

  async #notTaken(key: string, row: MailRow, error: unknown): Promise<void> {
    const { outbox, clock, logger } = this.#deps;
    const isTooOld = clock.now() - row.createdMs >= this.#options.giveUpAfterMs;
    const facts = { alertId: row.alertId, variant: row.variant, attempts: row.attempts, ...mailFacts(error) };
    if (error instanceof MailRefusedError || isTooOld) {
      await outbox.markFailed(key, row);
      this.#failed.add(1, { reason: isTooOld ? 'too-old' : 'refused' });
      logger.error('an alert mail was given up: somebody has to be told another way', facts);
      return;
    }
    const next = await outbox.defer(key, row, clock.now() + this.#pauseMs(row.attempts));
    this.#waiting.set(key, next);
    this.#deferred.add();
    logger.warn('a mail was not taken and waits', facts);
  }

  /** 1 s, 2 s, 4 s … up to the maximum, of which the second half is drawn. */
  #pauseMs(attempts: number): number {
    const { retryMs, retryMsMax } = this.#options;
    const fullMs = Math.min(retryMsMax, retryMs * 2 ** Math.min(attempts - 1, 30));
    return Math.round(fullMs * (0.5 + 0.5 * this.#deps.random.float()));
  }
}

function mailFacts(error: unknown): {
  readonly code: string;
  readonly reason?: string;
  readonly responseCode?: number;
} {
  const code = errorCode(error);
  if (typeof error !== 'object' || error === null || !('facts' in error)) return { code };
  return { code, ...(error.facts as { readonly reason?: string; readonly responseCode?: number }) }; // a Condition's facts
}
