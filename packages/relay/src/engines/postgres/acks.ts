import type { MailboxAck } from '../../engine.ts';
import { byEpoch, countOut, hexBuffer, lockMailboxes, priorityNumbers, type Removed } from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';
import { hexOf, numberArray } from './values.ts';

// One for each mailbox, sent together: as a join, a server whose statistics say "empty" reads the whole table for it.
const removeSql = statement(
  'ack',
  `delete from message where epoch = $1 and priority = $2 and message_offset = any($3::bigint[])
   returning epoch, priority, message_offset as offset, sender, octet_length(envelope) as bytes`,
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
  const wanted = new Map<string, { readonly epoch: string; readonly priority: number; readonly offsets: number[] }>();
  for (const [index, { inbox, epoch, messages }] of acks.entries()) {
    if (mailboxes.get(inbox)?.epoch !== epoch) continue;
    for (const message of messages) {
      const { offset } = message;
      const priority = priorityNumbers[message.priority];
      const key = keyOf(epoch, priority, offset);
      if (askers.has(key)) continue;
      askers.set(key, index);
      const lane = wanted.get(`${epoch}/${priority}`) ?? { epoch, priority, offsets: [] };
      lane.offsets.push(offset);
      wanted.set(`${epoch}/${priority}`, lane);
    }
  }
  const counts = acks.map(() => 0);
  if (wanted.size === 0) return counts;
  const found = await Promise.all(
    [...wanted.values()].map(({ epoch, priority, offsets }) =>
      session.query<RemovedMessage>(removeSql, [hexBuffer(epoch), priority, numberArray(offsets)]),
    ),
  );
  const removed = found.flat();
  await countOut(session, byEpoch(mailboxes.values()), removed);
  for (const { epoch, priority, offset } of removed) {
    const asker = askers.get(keyOf(hexOf(epoch), priority, offset)) as number; // each row was asked for
    counts[asker] = (counts[asker] as number) + 1;
  }
  return counts;
}

function keyOf(epoch: string, priority: number, offset: number): string {
  return `${epoch}/${priority}/${offset}`;
}
