import { type Clock, Condition, type Meter } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { AlertEvent } from '../alerts/alert.ts';
import type { Contacts, Person } from '../people/index.ts';
import { type MailVariant, recipientHash } from './compose.ts';
import { type AlertRow, type EpisodeRow, type MailRow, OutboxRows, outboxTables } from './outbox-rows.ts';
import { Serial } from './serial.ts';

/** The outbox holds all the mails or alerts it may: nothing was taken. Retryable. */
export class OutboxFullError extends Condition {
  override readonly name = 'OutboxFullError';
  constructor(what: string, max: number) {
    super('outbox-full', `the mail outbox holds all the ${what} it may (${max})`, {
      facts: { what, max },
      retryable: true,
    });
  }
}

export interface OutboxOptions {
  /** Recording time within which a second episode of a subject and kind is not told. Default 900 (15 minutes). */
  readonly muteSeconds: number;
  /** An episode open longer than this no longer holds back another. Default 86,400. */
  readonly openEpisodeSecondsMax: number;
  /** Mails kept, sent ones included until they are forgotten. Default 10,000. */
  readonly mailsMax: number;
  /** Alerts remembered for de-duplication. Default 100,000. */
  readonly alertsMax: number;
  /** How long a mail that ended is kept. Default 7 days. */
  readonly mailKeptMs: number;
  /** How long an alert is remembered. Default 90 days. */
  readonly alertKeptMs: number;
}

export interface OutboxDeps {
  readonly tables: TableStore;
  readonly box: Box;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** A mail that waits, with its key `<alertId>.<recipientHash>`. */
export type KeyedMail = readonly [key: string, row: MailRow];

const waitingMax = 256;

/**
 * What notification keeps: which alerts it knows, which episodes are open, which mails wait. Every change is one
 * transaction made of what was read in the same turn, so a crash leaves either all of it or none.
 */
export class MailOutbox {
  readonly #options: OutboxOptions;
  readonly #rows: OutboxRows;
  readonly #clock: Clock;
  readonly #serial = new Serial(waitingMax);
  readonly #suppressed;
  #prunedMs = 0;

  constructor(options: OutboxOptions, deps: OutboxDeps) {
    this.#options = options;
    this.#rows = new OutboxRows(deps.tables, deps.box);
    this.#clock = deps.clock;
    this.#suppressed = deps.meter.counter('alerts_not_told_total', 'Raised alerts nobody was told of', ['reason']);
  }

  /** True when one of `events` is an alert not known yet, so that somebody may have to be told. */
  isNews(events: readonly AlertEvent[]): boolean {
    return events.some((event) => event.type === 'raised' && this.#rows.alert(event.alertId) === undefined);
  }

  /**
   * Takes the events of one subject in one transaction and gives the mails that are new. Repeating it changes nothing.
   * @throws {OutboxFullError}; what {@link TableStore.commit} throws.
   */
  async take(subjectId: string, events: readonly AlertEvent[], contacts: Contacts): Promise<readonly KeyedMail[]> {
    return await this.#serial.run(async () => {
      const draft = new Draft(this.#rows);
      for (const event of events) {
        if (event.type === 'raised') this.#raise(draft, subjectId, event, contacts);
        else if (event.type === 'resolved') this.#resolve(draft, subjectId, event);
      }
      this.#checkRoom(draft);
      await this.#rows.commit(draft.changes());
      return [...draft.mails];
    });
  }

  /** True when the notice is not known yet. */
  isNewNotice(noticeId: string): boolean {
    return this.#rows.notice(noticeId) === undefined;
  }

  /**
   * Takes a notice in one transaction and gives its mail where it is new and there is somebody to tell (`person`).
   * @throws {OutboxFullError}; what {@link TableStore.commit} throws.
   */
  async takeNotice(noticeId: string, variant: MailVariant, person: Person | null): Promise<readonly KeyedMail[]> {
    return await this.#serial.run(async () => {
      if (!this.isNewNotice(noticeId)) return [];
      const { mailsMax, alertsMax } = this.#options;
      if (this.#rows.count(outboxTables.mails) >= mailsMax) throw new OutboxFullError('mails', mailsMax);
      if (this.#rows.count(outboxTables.notices) >= alertsMax) throw new OutboxFullError('notices', alertsMax);
      const nowMs = this.#clock.now();
      const mails: KeyedMail[] = [];
      if (person === null) this.#suppressed.add(1, { reason: 'nobody-to-tell' });
      else {
        const waits = { state: 'queued', attempts: 0, createdMs: nowMs, nextMs: nowMs } as const;
        const row: MailRow = { alertId: noticeId, variant, person, ...waits };
        mails.push([`${noticeId}.${recipientHash(noticeId, person.email)}`, row]);
      }
      await this.#rows.commit([
        this.#rows.put(outboxTables.notices, noticeId, { seenMs: nowMs }),
        ...mails.map(([key, row]) => this.#rows.put(outboxTables.mails, key, row)),
      ]);
      return mails;
    });
  }

  /**
   * Takes the notice as known, without a mail.
   * @throws {OutboxFullError}; what {@link TableStore.commit} throws.
   */
  async rememberNotice(noticeId: string): Promise<void> {
    await this.#serial.run(async () => {
      const { alertsMax } = this.#options;
      if (this.#rows.count(outboxTables.notices) >= alertsMax) throw new OutboxFullError('notices', alertsMax);
      await this.#rows.commit([this.#rows.put(outboxTables.notices, noticeId, { seenMs: this.#clock.now() })]);
    });
  }

  /** Mails not ended yet, those included that were being offered when the process died. */
  waiting(): readonly KeyedMail[] {
    return [...this.#rows.mails()].filter(([, row]) => row.state === 'queued' || row.state === 'attempting');
  }

  /** Writes ahead that the mail is being offered. */
  async markAttempting(key: string, row: MailRow): Promise<MailRow> {
    const next: MailRow = { ...row, state: 'attempting', attempts: row.attempts + 1 };
    await this.#putMail(key, next);
    return next;
  }

  /** The mail waits until `nextMs` for another attempt. */
  async defer(key: string, row: MailRow, nextMs: number): Promise<MailRow> {
    const next: MailRow = { ...row, state: 'queued', nextMs };
    await this.#putMail(key, next);
    return next;
  }

  async markFailed(key: string, row: MailRow): Promise<void> {
    await this.#putMail(key, { ...row, state: 'failed', nextMs: this.#clock.now() });
  }

  /** The server took the mail: one transaction ends it and counts it for its alert. */
  async markSent(key: string, row: MailRow): Promise<void> {
    await this.#serial.run(async () => {
      const changes = [this.#rows.put(outboxTables.mails, key, { ...row, state: 'sent', nextMs: this.#clock.now() })];
      const alert = this.#rows.alert(row.alertId);
      if (alert !== undefined) {
        const counted = { ...alert, sent: alert.sent + 1 };
        changes.push(this.#rows.put(outboxTables.alerts, row.alertId, counted));
        changes.push(this.#rows.put(outboxTables.unrecorded, row.alertId, counted));
      }
      await this.#rows.commit(changes);
    });
  }

  /** Alerts with more mails sent than their record tells of. */
  unrecorded(): readonly (readonly [string, AlertRow])[] {
    return [...this.#rows.alerts(outboxTables.unrecorded)];
  }

  async markRecorded(alertId: string, recorded: number): Promise<void> {
    await this.#serial.run(async () => {
      const alert = this.#rows.alert(alertId);
      if (alert === undefined || recorded >= alert.sent) {
        const changes = [this.#rows.remove(outboxTables.unrecorded, alertId)];
        if (alert !== undefined) changes.push(this.#rows.put(outboxTables.alerts, alertId, { ...alert, recorded }));
        await this.#rows.commit(changes);
      }
    });
  }

  counts(): Readonly<Record<MailRow['state'], number>> {
    const counts = { queued: 0, attempting: 0, sent: 0, failed: 0 };
    for (const [, row] of this.#rows.mails()) counts[row.state] += 1;
    return counts;
  }

  /** Forgets what ended long ago, but no notice that is still told; at most a thousand rows at a time. */
  async prune(isStillTold: (noticeId: string) => boolean = () => false): Promise<void> {
    const nowMs = this.#clock.now();
    if (nowMs - this.#prunedMs < prunePeriodMs) return;
    this.#prunedMs = nowMs;
    const { mailKeptMs, alertKeptMs } = this.#options;
    await this.#serial.run(async () => {
      const changes: TableChange[] = [];
      for (const [key, row] of this.#rows.mails()) {
        const isEnded = row.state === 'sent' || row.state === 'failed';
        if (isEnded && nowMs - row.nextMs > mailKeptMs) changes.push(this.#rows.remove(outboxTables.mails, key));
        if (changes.length >= pruneMax) break;
      }
      for (const [key, row] of this.#rows.alerts()) {
        if (changes.length >= pruneMax) break;
        if (nowMs - row.seenMs > alertKeptMs) changes.push(this.#rows.remove(outboxTables.alerts, key));
      }
      for (const [key, row] of this.#rows.notices()) {
        if (changes.length >= pruneMax) break;
        const isOld = nowMs - row.seenMs > alertKeptMs;
        if (isOld && !isStillTold(key)) changes.push(this.#rows.remove(outboxTables.notices, key));
      }
      await this.#rows.commit(changes);
    });
  }

  async #putMail(key: string, row: MailRow): Promise<void> {
    await this.#rows.commit([this.#rows.put(outboxTables.mails, key, row)]);
  }

  #raise(draft: Draft, subjectId: string, event: Raised, contacts: Contacts): void {
    if (draft.alert(event.alertId) !== undefined) return;
    const nowMs = this.#clock.now();
    const { episodeStartSeconds } = event;
    draft.alerts.set(event.alertId, { subjectId, episodeStartSeconds, seenMs: nowMs, sent: 0, recorded: 0 });
    const episodeKey = `${subjectId}:${event.kind}`;
    const episode = draft.episode(episodeKey);
    const heldBack = this.#heldBack(event, episode);
    if (heldBack !== null) {
      this.#suppressed.add(1, { reason: heldBack });
      return;
    }
    if (episode === undefined || episode.raisedAtSeconds < event.atSeconds) {
      draft.episodes.set(episodeKey, { alertId: event.alertId, raisedAtSeconds: event.atSeconds, isOpen: true });
    }
    const recipients = recipientsOf(contacts);
    if (recipients.length === 0) this.#suppressed.add(1, { reason: 'nobody-to-tell' });
    for (const [variant, person] of recipients) {
      const key = `${event.alertId}.${recipientHash(event.alertId, person.email)}`;
      const { alertId } = event;
      draft.mails.set(key, { alertId, variant, person, state: 'queued', attempts: 0, createdMs: nowMs, nextMs: nowMs });
    }
  }

  /** Why nobody is told of `event`, or null. One open episode per subject and kind, and silence after each. */
  #heldBack(event: Raised, episode: EpisodeRow | undefined): 'open' | 'muted' | null {
    if (episode === undefined) return null;
    const distanceSeconds = Math.abs(event.atSeconds - episode.raisedAtSeconds);
    if (distanceSeconds < this.#options.muteSeconds) return 'muted';
    return episode.isOpen && distanceSeconds < this.#options.openEpisodeSecondsMax ? 'open' : null;
  }

  #resolve(draft: Draft, subjectId: string, event: Extract<AlertEvent, { type: 'resolved' }>): void {
    const key = `${subjectId}:${event.kind}`;
    const episode = draft.episode(key);
    if (episode?.alertId === event.alertId && episode.isOpen) draft.episodes.set(key, { ...episode, isOpen: false });
  }

  #checkRoom(draft: Draft): void {
    const { mailsMax, alertsMax } = this.#options;
    if (draft.mails.size > 0 && this.#rows.count(outboxTables.mails) + draft.mails.size > mailsMax) {
      throw new OutboxFullError('mails', mailsMax);
    }
    if (draft.alerts.size > 0 && this.#rows.count(outboxTables.alerts) + draft.alerts.size > alertsMax) {
      throw new OutboxFullError('alerts', alertsMax);
    }
  }
}

type Raised = Extract<AlertEvent, { type: 'raised' }>;

const pruneMax = 1000;
/** Looking through all rows is not free. */
const prunePeriodMs = 600_000;

/** Changes of one transaction, seen by the events that follow in it. */
class Draft {
  readonly mails = new Map<string, MailRow>();
  readonly alerts = new Map<string, AlertRow>();
  readonly episodes = new Map<string, EpisodeRow>();
  readonly #rows: OutboxRows;

  constructor(rows: OutboxRows) {
    this.#rows = rows;
  }

  alert(alertId: string): AlertRow | undefined {
    return this.alerts.get(alertId) ?? this.#rows.alert(alertId);
  }

  episode(key: string): EpisodeRow | undefined {
    return this.episodes.get(key) ?? this.#rows.episode(key);
  }

  changes(): TableChange[] {
    return [
      ...[...this.alerts].map(([key, row]) => this.#rows.put(outboxTables.alerts, key, row)),
      ...[...this.episodes].map(([key, row]) => this.#rows.put(outboxTables.episodes, key, row)),
      ...[...this.mails].map(([key, row]) => this.#rows.put(outboxTables.mails, key, row)),
    ];
  }
}

/** Who is told, each address once: a doctor who is the patient gets the patient's mail. */
function recipientsOf(contacts: Contacts): readonly (readonly [MailVariant, Person])[] {
  const recipients: (readonly [MailVariant, Person])[] = [];
  const { patient, doctor, tells } = contacts;
  if (patient !== null && tells.patient) recipients.push(['patient', patient]);
  const isSame = recipients.some(([, person]) => person.email.toLowerCase() === doctor?.email.toLowerCase());
  if (doctor !== null && tells.doctor && !isSame) recipients.push(['doctor', doctor]);
  return recipients;
}
