import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { languages, type Person } from '../people/index.ts';
import { MalformedRecordError, parseFields, parseInteger, parseText } from '../records/parse.ts';
import { type MailVariant, mailVariants } from './compose.ts';

/**
 * `queued`: to be offered at `nextMs` · `attempting`: being offered, or the process died while it was ·
 * `sent`: the server answered 250 · `failed`: given up.
 */
export type MailState = 'queued' | 'attempting' | 'sent' | 'failed';

/** One mail to one recipient about one alert, or one notice. */
export interface MailRow {
  /** Of the alert, or of the notice. */
  readonly alertId: string;
  readonly variant: MailVariant;
  readonly person: Person;
  readonly state: MailState;
  readonly attempts: number;
  readonly createdMs: number;
  /** When it is offered next; once it ended, when that was. */
  readonly nextMs: number;
}

/** What is known of an alert: its presence is the de-duplication. */
export interface AlertRow {
  readonly subjectId: string;
  readonly episodeStartSeconds: number;
  readonly seenMs: number;
  /** Mails the server has taken, and how many of them the alert's record tells of. */
  readonly sent: number;
  readonly recorded: number;
}

/** What is known of a notice: its presence is the de-duplication. */
export interface NoticeRow {
  readonly seenMs: number;
}

/** The newest episode of a subject and kind somebody was told of. */
export interface EpisodeRow {
  readonly alertId: string;
  /** Recording time of the window that tipped it. */
  readonly raisedAtSeconds: number;
  readonly isOpen: boolean;
}

export const outboxTables = {
  mails: 'mail-outbox',
  alerts: 'mail-alerts',
  episodes: 'mail-episodes',
  /** The alerts, by id again, whose record does not tell of all mails sent. */
  unrecorded: 'mail-unrecorded',
  notices: 'mail-notices',
} as const;
type Table = (typeof outboxTables)[keyof typeof outboxTables];

const utf8 = new TextEncoder();
const text = new TextDecoder();
const states: readonly MailState[] = ['queued', 'attempting', 'sent', 'failed'];
const timeMax = Number.MAX_SAFE_INTEGER;

/** The outbox' rows in a {@link TableStore}, sealed under the node's box and bound to their place. */
export class OutboxRows {
  readonly #tables: TableStore;
  readonly #box: Box;

  constructor(tables: TableStore, box: Box) {
    this.#tables = tables;
    this.#box = box;
  }

  mail(key: string): MailRow | undefined {
    const value = this.#get(outboxTables.mails, key);
    return value === undefined ? undefined : parseMail(value);
  }

  alert(alertId: string): AlertRow | undefined {
    const value = this.#get(outboxTables.alerts, alertId);
    return value === undefined ? undefined : parseAlert(value);
  }

  episode(key: string): EpisodeRow | undefined {
    const value = this.#get(outboxTables.episodes, key);
    return value === undefined ? undefined : parseEpisode(value);
  }

  notice(noticeId: string): NoticeRow | undefined {
    const value = this.#get(outboxTables.notices, noticeId);
    return value === undefined ? undefined : parseNotice(value);
  }

  *notices(): Generator<readonly [string, NoticeRow]> {
    for (const [key, value] of this.#all(outboxTables.notices)) yield [key, parseNotice(value)];
  }

  *mails(): Generator<readonly [string, MailRow]> {
    for (const [key, value] of this.#all(outboxTables.mails)) yield [key, parseMail(value)];
  }

  *alerts(table: 'mail-alerts' | 'mail-unrecorded' = outboxTables.alerts): Generator<readonly [string, AlertRow]> {
    for (const [key, value] of this.#all(table)) yield [key, parseAlert(value)];
  }

  count(table: Table): number {
    return this.#tables.count(table);
  }

  put(table: Table, key: string, row: MailRow | AlertRow | EpisodeRow | NoticeRow): TableChange {
    const value = this.#box.seal(encodeCbor(row), utf8.encode(`${table}/${key}`));
    return { kind: 'put', table, key: utf8.encode(key), value };
  }

  remove(table: Table, key: string): TableChange {
    return { kind: 'remove', table, key: utf8.encode(key) };
  }

  /** @throws what {@link TableStore.commit} throws. */
  async commit(changes: readonly TableChange[]): Promise<void> {
    if (changes.length > 0) await this.#tables.commit(changes);
  }

  #get(table: Table, key: string): Fields | undefined {
    const sealed = this.#tables.get(table, utf8.encode(key));
    return sealed === undefined ? undefined : this.#open(table, key, sealed);
  }

  *#all(table: Table): Generator<readonly [string, Fields]> {
    for (const entry of this.#tables.range(table)) {
      const key = text.decode(entry.key);
      yield [key, this.#open(table, key, entry.value)];
    }
  }

  #open(table: Table, key: string, sealed: Uint8Array): Fields {
    return parseFields(decodeCbor(this.#box.open(sealed, utf8.encode(`${table}/${key}`))), 'outbox row');
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parseMail(fields: Fields): MailRow {
  const person = parseFields(fields['person'], 'person');
  return {
    alertId: parseText(fields['alertId'], 'alertId', 64),
    variant: oneOf(fields['variant'], 'variant', mailVariants),
    person: {
      name: parseText(person['name'], 'name', 200),
      email: parseText(person['email'], 'email', 254),
      language: oneOf(person['language'], 'language', languages),
    },
    state: oneOf(fields['state'], 'state', states),
    attempts: parseInteger(fields['attempts'], 'attempts', 0, timeMax),
    createdMs: parseInteger(fields['createdMs'], 'createdMs', 0, timeMax),
    nextMs: parseInteger(fields['nextMs'], 'nextMs', 0, timeMax),
  };
}

function parseAlert(fields: Fields): AlertRow {
  return {
    subjectId: parseText(fields['subjectId'], 'subjectId', 32),
    episodeStartSeconds: parseInteger(fields['episodeStartSeconds'], 'episodeStartSeconds', 0, timeMax),
    seenMs: parseInteger(fields['seenMs'], 'seenMs', 0, timeMax),
    sent: parseInteger(fields['sent'], 'sent', 0, timeMax),
    recorded: parseInteger(fields['recorded'], 'recorded', 0, timeMax),
  };
}

function parseNotice(fields: Fields): NoticeRow {
  return { seenMs: parseInteger(fields['seenMs'], 'seenMs', 0, timeMax) };
}

function parseEpisode(fields: Fields): EpisodeRow {
  return {
    alertId: parseText(fields['alertId'], 'alertId', 64),
    raisedAtSeconds: parseInteger(fields['raisedAtSeconds'], 'raisedAtSeconds', 0, timeMax),
    isOpen: fields['isOpen'] === true,
  };
}

function oneOf<T extends string>(value: unknown, what: string, choices: readonly T[]): T {
  const choice = choices.find((known) => known === value);
  if (choice === undefined) throw new MalformedRecordError(what);
  return choice;
}
