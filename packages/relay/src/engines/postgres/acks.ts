import { toHex } from '@pulsemesh/wire';
import type { MailboxAck } from '../../engine.ts';
import { byEpoch, countOut, hexBuffer, lockMailboxes, priorityNumbers, type Removed } from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';

const removeSql = statement(
  'ack',
  `delete from message using unnest($1::bytea[], $2::smallint[], $3::bigint[]) as given (epoch, priority, message_offset)
   where message.epoch = given.epoch and message.priority = given.priority and message.message_offset = given.message_offset
   returning message.epoch, message.priority, message.message_offset as offset, message.sender,
     octet_length(message.envelope) as bytes`,
);

interface RemovedMessage extends Removed {
  readonly priority: number;
  readonly offset: number;
}

/** Removes what was acknowledged, in the open transaction; resolves with how many each of `acks` removed. */
export async function removeAcked(session: Session, acks: readonly MailboxAck[]): Promise<number[]> {
  const mailboxes = await lockMailboxes(
    session,
    acks.map(({ inbox }) => inbox),
  );
  /** Who asked first for a message is told that it was there. */
  const askers = new Map<string, number>();
  const wanted: { readonly epoch: string; readonly priority: number; readonly offset: number }[] = [];
  for (const [index, { inbox, epoch, messages }] of acks.entries()) {
    if (mailboxes.get(inbox)?.epoch !== epoch) continue;
    for (const message of messages) {
      const { offset } = message;
      const priority = priorityNumbers[message.priority];
      const key = keyOf(epoch, priority, offset);
      if (askers.has(key)) continue;
      askers.set(key, index);
      wanted.push({ epoch, priority, offset });
    }
  }
  const counts = acks.map(() => 0);
  if (wanted.length === 0) return counts;
  const removed = await session.query<RemovedMessage>(removeSql, [
    wanted.map(({ epoch }) => hexBuffer(epoch)),
    wanted.map(({ priority }) => priority),
    wanted.map(({ offset }) => offset),
  ]);
  await countOut(session, byEpoch(mailboxes.values()), removed);
  for (const { epoch, priority, offset } of removed) {
    const asker = askers.get(keyOf(toHex(epoch), priority, offset)) as number; // each row was asked for
    counts[asker] = (counts[asker] as number) + 1;
  }
  return counts;
}

function keyOf(epoch: string, priority: number, offset: number): string {
  return `${epoch}/${priority}/${offset}`;
}
