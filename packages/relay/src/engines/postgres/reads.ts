import { toHex } from '@pulsemesh/wire';
import type { EngineStats, InboxClaim, MailboxPosition, ReadRequest, ReadResult, StoredMessage } from '../../engine.ts';
import { type InboxId, inboxBytes, inboxIdOf } from '../../inbox-id.ts';
import { type MailboxColumns, mailboxOf } from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';

// The lengths are summed without fetching the envelopes; only the rows that stay are.
const readSql = statement(
  'read',
  `select mailbox.epoch as mailbox_epoch, found.* from mailbox left join lateral (
     select * from (
       select *, row_number() over rising as number, sum(octet_length(envelope)) over rising as total from (
         (select * from message where epoch = mailbox.epoch and priority = 0 and message_offset > $2 and expires_ms > $4
          order by message_offset limit $5)
         union all
         (select * from message where epoch = mailbox.epoch and priority = 1 and message_offset > $3 and expires_ms > $4
          order by message_offset limit $5)
       ) as lanes window rising as (order by priority, message_offset)
     ) as numbered where number = 1 or (number <= $5 and total <= $6)
   ) as found on true
   where mailbox.inbox = $1 order by priority, message_offset`,
);

interface MessageColumns {
  readonly epoch: Buffer;
  readonly message_offset: number | null;
  readonly priority: number;
  readonly kind: number;
  readonly message_id: Buffer;
  readonly envelope: Buffer;
  readonly stored_ms: number;
  readonly receipt_to: Buffer | null;
}

export async function readMessages(
  session: Session,
  { inbox, after, countMax, bytesMax }: ReadRequest,
  nowMs: number,
): Promise<ReadResult> {
  const values = [inboxBytes(inbox), after.urgent, after.normal, nowMs, countMax, bytesMax];
  const rows = await session.query<MessageColumns & { mailbox_epoch: Buffer }>(readSql, values);
  const [first] = rows;
  if (first === undefined) return { epoch: null, messages: [] };
  return { epoch: toHex(first.mailbox_epoch), messages: rows.flatMap(messageOf) };
}

function messageOf(row: MessageColumns): StoredMessage[] {
  if (row.message_offset === null) return []; // the mailbox alone: nothing to read
  return [
    {
      offset: row.message_offset,
      priority: row.priority === 0 ? 'urgent' : 'normal',
      kind: row.kind === 1 ? 'receipt' : 'message',
      messageId: row.message_id,
      envelope: row.envelope,
      storedMs: row.stored_ms,
      receiptTo: row.receipt_to === null ? null : inboxIdOf(row.receipt_to),
    },
  ];
}

const mailboxSql = statement('mailbox', 'select * from mailbox where inbox = $1');

export async function positionOf(session: Session, inbox: InboxId): Promise<MailboxPosition | null> {
  const [row] = await session.query<MailboxColumns>(mailboxSql, [inboxBytes(inbox)]);
  return row === undefined ? null : { epoch: toHex(row.epoch), lastOffset: row.last_offset };
}

export async function claimIn(session: Session, inbox: InboxId, nowMs: number): Promise<InboxClaim | null> {
  const [row] = await session.query<MailboxColumns>(mailboxSql, [inboxBytes(inbox)]);
  return row === undefined || row.until_ms <= nowMs ? null : mailboxOf(row).claim;
}

const statsSql = statement(
  'stats',
  `select count(*) as mailboxes, coalesce(sum(count), 0)::bigint as messages, coalesce(sum(bytes), 0)::bigint as bytes
   from mailbox`,
);

const readAllSql = statement('read_all', 'set local enable_seqscan = on');

/** In an open transaction. */
export async function statsOf(session: Session): Promise<EngineStats> {
  const [, [row]] = await Promise.all([session.query(readAllSql), session.query<EngineStats>(statsSql)]);
  return row as EngineStats; // an aggregate has one row
}
