import { type Clock, errorCode, type Logger, type Meter, type Random, startTicker } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import { type NetworkPort, type ProtocolName, type RpcCall, type SubjectId, serveRpc } from '@pulsemesh/network';
import type { TableStore } from '@pulsemesh/store';
import type { AlertEvent } from '../alerts/alert.ts';
import { mailDefaults } from '../mail/mail-defaults.ts';
import { type NoticeKind, noticeKinds } from '../mail/notice-texts.ts';
import { MailOutbox, type OutboxOptions } from '../mail/outbox.ts';
import type { AlertRow, MailState } from '../mail/outbox-rows.ts';
import { MailSender, type MailSenderOptions } from '../mail/sender.ts';
import { createSmtpTransport, type MailTransport, type SmtpOptions } from '../mail/transport.ts';
import { noContacts, type PeopleClient } from '../people/index.ts';
import type { RecordsClient } from '../records/client.ts';
import { alertRecord, parseAlertEventObject } from '../records/codec.ts';
import { MalformedRecordError, parseArray, parseFields, parseText } from '../records/parse.ts';

/**
 * What notification peers serve, to trusted peers only: `notify {subjectId, events} → {accepted}` for alerts, and
 * `notice {subjectId, noticeId, kind} → {accepted}` for what happens to a patient's consent.
 */
export const notificationProtocol: ProtocolName = '/pulsemesh/notification/1';

export interface NotificationRoleOptions
  extends Partial<OutboxOptions>,
    Partial<Omit<MailSenderOptions, 'from' | 'pageUrl'>>,
    Pick<MailSenderOptions, 'from' | 'pageUrl'> {
  readonly smtp: SmtpOptions;
  /** How often records of sent mails are written after a failure, and old rows forgotten. Default 5,000. */
  readonly upkeepMs?: number;
}

export interface NotificationRoleDeps {
  readonly port: NetworkPort;
  readonly people: Pick<PeopleClient, 'contacts' | 'bySubject'>;
  readonly tables: TableStore;
  readonly box: Box;
  readonly records: Pick<RecordsClient, 'put'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Default: SMTP as `options.smtp` says. Given, it stays the caller's to close. */
  readonly transport?: MailTransport;
}

export interface NotificationRole extends AsyncDisposable {
  /** Mails by state, ended ones until they are forgotten. */
  counts(): Readonly<Record<MailState, number>>;
}

/** How often records of sent mails are written after a failure, and old rows forgotten. */
const upkeepMsDefault = 5000;

/** Events in one call. */
const eventsMax = 256;

/**
 * Tells people of alerts by mail. `notify` answers once the alert, its de-duplication and its mails are durable in
 * one transaction; each alert is told once, one episode per subject and kind at a time, nobody for a patient who is
 * not registered. Sent mails are told of by a `notified` record, written in the patient's name.
 * Dispose to stop; attempts under way are waited for.
 */
export async function startNotificationRole(
  options: NotificationRoleOptions,
  deps: NotificationRoleDeps,
): Promise<NotificationRole> {
  const settings = { ...mailDefaults, upkeepMs: upkeepMsDefault, ...options };
  const { port, people, clock, meter } = deps;
  const stack = new AsyncDisposableStack();
  const stopped = new AbortController();
  const outbox = new MailOutbox(settings, deps);
  const transport = deps.transport ?? stack.adopt(createSmtpTransport(options.smtp), (own) => own.close());
  const recorder = new NotifiedRecorder(outbox, deps, stopped.signal);
  const sender = stack.use(new MailSender(settings, { ...deps, outbox, transport }, () => recorder.wake()));
  stack.defer(() => stopped.abort());
  const gauge = meter.gauge('mail_outbox_rows', 'Mails not taken by the mail server yet');
  const notify = async (body: unknown, call: RpcCall) => {
    const { subjectId, events } = parseNotify(body);
    const contacts = outbox.isNews(events) ? await people.contacts(subjectId, { signal: call.signal }) : noContacts;
    sender.add(await outbox.take(subjectId, events, contacts));
    gauge.set(sender.pending);
    return { accepted: events.length };
  };
  const notice = async (body: unknown, call: RpcCall) => {
    const { subjectId, noticeId, kind } = parseNotice(body);
    if (!outbox.isNewNotice(noticeId)) return { accepted: 0 };
    const contacts = await people.contacts(subjectId, { signal: call.signal });
    sender.add(await outbox.takeNotice(noticeId, `notice-${kind}`, contacts.patient));
    gauge.set(sender.pending);
    return { accepted: 1 };
  };
  stack.use(
    serveRpc(port, notificationProtocol, { notify, notice }, { requireTrusted: true, logger: deps.logger, meter }),
  );
  const upkeep = async () => {
    gauge.set(sender.pending);
    await outbox.prune();
    recorder.wake();
  };
  const ticker = startTicker(clock, settings.upkeepMs, upkeep, (error) => {
    deps.logger.warn('upkeep of the mail outbox failed', { code: errorCode(error) });
  });
  stack.defer(() => ticker.stop());
  recorder.wake();
  return {
    counts: () => outbox.counts(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function parseNotify(body: unknown): { readonly subjectId: SubjectId; readonly events: readonly AlertEvent[] } {
  const fields = parseFields(body, 'notify');
  const subjectId = parseSubject(fields['subjectId']);
  const events = parseArray(fields['events'], 'events', eventsMax).map(parseAlertEventObject);
  return { subjectId, events };
}

function parseNotice(body: unknown): { subjectId: SubjectId; noticeId: string; kind: NoticeKind } {
  const fields = parseFields(body, 'notice');
  const noticeId = parseText(fields['noticeId'], 'noticeId', 32);
  if (!/^[0-9a-f]{32}$/.test(noticeId)) throw new MalformedRecordError('noticeId');
  const kind = noticeKinds.find((one) => one === fields['kind']);
  if (kind === undefined) throw new MalformedRecordError('kind');
  return { subjectId: parseSubject(fields['subjectId']), noticeId, kind };
}

function parseSubject(value: unknown): SubjectId {
  const subjectId = parseText(value, 'subjectId', 32);
  if (!/^[0-9a-f]{32}$/.test(subjectId)) throw new MalformedRecordError('subjectId');
  return subjectId as SubjectId; // 16 bytes in lower-case hex
}

/** Writes the `notified` record of each alert that more mails were sent for than its record says. */
class NotifiedRecorder {
  readonly #outbox: MailOutbox;
  readonly #deps: NotificationRoleDeps;
  readonly #signal: AbortSignal;
  #isRunning = false;
  #isWanted = false;

  constructor(outbox: MailOutbox, deps: NotificationRoleDeps, signal: AbortSignal) {
    this.#outbox = outbox;
    this.#deps = deps;
    this.#signal = signal;
  }

  wake(): void {
    this.#isWanted = true;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#isWanted && !this.#signal.aborted) {
        this.#isWanted = false;
        for (const [alertId, row] of this.#outbox.unrecorded()) await this.#record(alertId, row);
      }
    } catch (error) {
      // The next tick of the upkeep tries again.
      if (!this.#signal.aborted) this.#deps.logger.warn('notified record waits', { code: errorCode(error) });
    } finally {
      this.#isRunning = false;
    }
  }

  async #record(alertId: string, row: AlertRow): Promise<void> {
    const { people, records, clock, random } = this.#deps;
    const wait = { signal: this.#signal };
    const subjectId = row.subjectId as SubjectId; // as it came in `notify`
    const patient = (await people.bySubject([subjectId], wait)).get(subjectId);
    if (patient !== undefined) {
      const event = { type: 'notified', alertId, recipientCount: row.sent, atMs: clock.now() } as const;
      await records.put([alertRecord(patient.keyTree, event, row.episodeStartSeconds, random)], wait);
    }
    await this.#outbox.markRecorded(alertId, row.sent);
  }
}
