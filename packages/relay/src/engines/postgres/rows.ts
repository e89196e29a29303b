import { fromHex } from '@pulsemesh/wire';
import type { InboxClaim, Priority } from '../../engine.ts';
import type { InboxId } from '../../inbox-id.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';
import { byteaArray, hexOf, numberArray } from './values.ts';

/** A mailbox as it is in the table; held by the transaction that locked it. */
export interface Mailbox {
  readonly inbox: InboxId;
  readonly epoch: string;
  readonly claim: InboxClaim;
  lastOffset: number;
  count: number;
  bytes: number;
  /** When expired messages were last looked for because it was full; wall milliseconds, 0: never. */
  expiredMs: number;
  generation: number;
  generationCount: number;
  generationSinceMs: number;
  readonly oldestGeneration: number;
}

export interface MailboxColumns {
  readonly inbox: Buffer;
  readonly epoch: Buffer;
  readonly owner: Buffer;
  readonly until_ms: number;
  readonly takes_streams: boolean;
  readonly last_offset: number;
  readonly count: number;
  readonly bytes: number;
  readonly expired_ms: number;
  readonly generation: number;
  readonly generation_count: number;
  readonly generation_since_ms: number;
  readonly oldest_generation: number;
}

/** What one sender has stored, over all mailboxes. */
export interface Budget {
  count: number;
  bytes: number;
}

/** A message taken out of the table, with whose budget it leaves. */
export interface Removed {
  readonly epoch: Buffer;
  readonly sender: Buffer;
  readonly bytes: number;
}

export const priorityNumbers: Readonly<Record<Priority, number>> = { urgent: 0, normal: 1 };

export function mailboxOf(row: MailboxColumns): Mailbox {
  const inbox = inboxOf(row.inbox);
  return {
    inbox,
    epoch: hexOf(row.epoch),
    claim: { inbox, owner: inboxOf(row.owner), untilMs: row.until_ms, takesStreams: row.takes_streams },
    lastOffset: row.last_offset,
    count: row.count,
    bytes: row.bytes,
    expiredMs: row.expired_ms,
    generation: row.generation,
    generationCount: row.generation_count,
    generationSinceMs: row.generation_since_ms,
    oldestGeneration: row.oldest_generation,
  };
}

/** Of a column that holds nothing but inbox ids. */
export function inboxOf(bytes: Uint8Array): InboxId {
  return hexOf(bytes) as InboxId; // 16 bytes: an id was stored
}

/** Ids as parameters, each once and sorted: locks are taken in one order everywhere, so that nobody waits in a circle. */
function sortedIds(ids: Iterable<InboxId>): string {
  return byteaArray([...new Set(ids)].sort());
}

export function hexBuffer(hex: string): Buffer {
  return Buffer.from(fromHex(hex));
}

const lockMailboxesSql = statement(
  'lock_mailboxes',
  'select * from mailbox where inbox = any($1::bytea[]) order by inbox for update',
);

/** Every change of a mailbox and its messages happens under its row's lock: that is what makes offsets readable in order. */
export async function lockMailboxes(session: Session, inboxes: Iterable<InboxId>): Promise<Map<InboxId, Mailbox>> {
  const rows = await session.query<MailboxColumns>(lockMailboxesSql, [sortedIds(inboxes)]);
  return new Map(rows.map((row) => [inboxOf(row.inbox), mailboxOf(row)]));
}

interface SenderColumns {
  readonly sender: Buffer;
  readonly count: number;
  readonly bytes: number;
}

const lockSendersSql = statement(
  'lock_senders',
  'select * from sender where sender = any($1::bytea[]) order by sender for update',
);
// Between two relays that meet a new sender, the second takes what the first wrote.
const addSendersSql = statement(
  'add_senders',
  `insert into sender (sender, count, bytes) select each, 0, 0 from unnest($1::bytea[]) as each order by each
   on conflict (sender) do update set count = sender.count returning *`,
);

/** After the mailboxes, never before: see {@link sortedIds}. Those that nobody knows are not there. */
export async function lockSenders(session: Session, senders: Iterable<InboxId>): Promise<Map<InboxId, Budget>> {
  return budgetsOf(await session.query<SenderColumns>(lockSendersSql, [sortedIds(senders)]));
}

/** Adds senders that nobody knows, and locks them. */
export async function addSenders(session: Session, senders: readonly InboxId[]): Promise<Map<InboxId, Budget>> {
  if (senders.length === 0) return new Map();
  return budgetsOf(await session.query<SenderColumns>(addSendersSql, [sortedIds(senders)]));
}

function budgetsOf(rows: readonly SenderColumns[]): Map<InboxId, Budget> {
  return new Map(rows.map(({ sender, count, bytes }) => [inboxOf(sender), { count, bytes }]));
}

const writeBudgetsSql = statement(
  'write_budgets',
  `with boxes as (
     update mailbox set count = given.count, bytes = given.bytes
     from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as given (inbox, count, bytes)
     where mailbox.inbox = given.inbox
   )
   update sender set count = given.count, bytes = given.bytes
   from unnest($4::bytea[], $5::bigint[], $6::bigint[]) as given (sender, count, bytes)
   where sender.sender = given.sender`,
);

/** Counts removed messages out of their mailboxes (locked, by epoch) and of their senders' budgets, and writes both. */
export async function countOut(
  session: Session,
  mailboxes: ReadonlyMap<string, Mailbox>,
  removed: readonly Removed[],
): Promise<void> {
  if (removed.length === 0) return;
  const budgets = await lockSenders(
    session,
    removed.map(({ sender }) => inboxOf(sender)),
  );
  const touched = takeOut(mailboxes, budgets, removed);
  const senders = [...budgets];
  await session.query(writeBudgetsSql, [
    byteaArray(touched.map(({ inbox }) => inbox)),
    numberArray(touched.map(({ count }) => count)),
    numberArray(touched.map(({ bytes }) => bytes)),
    byteaArray(senders.map(([sender]) => sender)),
    numberArray(senders.map(([, { count }]) => count)),
    numberArray(senders.map(([, { bytes }]) => bytes)),
  ]);
}

/** Takes removed messages out of the counts, in memory; resolves with the mailboxes that changed. */
export function takeOut(
  mailboxes: ReadonlyMap<string, Mailbox>,
  budgets: ReadonlyMap<InboxId, Budget>,
  removed: readonly Removed[],
): Mailbox[] {
  const touched = new Set<Mailbox>();
  for (const { epoch, sender, bytes } of removed) {
    const mailbox = mailboxes.get(hexOf(epoch));
    const budget = budgets.get(inboxOf(sender));
    if (mailbox !== undefined) {
      mailbox.count -= 1;
      mailbox.bytes -= bytes;
      touched.add(mailbox);
    }
    if (budget !== undefined) {
      budget.count -= 1;
      budget.bytes -= bytes;
    }
  }
  return [...touched];
}

export function byEpoch(mailboxes: Iterable<Mailbox>): Map<string, Mailbox> {
  return new Map([...mailboxes].map((mailbox) => [mailbox.epoch, mailbox]));
}
