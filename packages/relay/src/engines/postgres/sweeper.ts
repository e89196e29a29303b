import type { Clock } from '@pulsemesh/base';
import type { EngineLimits } from '../../engine.ts';
import { dropMailbox } from './claims.ts';
import type { Connections } from './connections.ts';
import { byEpoch, countOut, hexBuffer, type Mailbox, type MailboxColumns, mailboxOf, type Removed } from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';

const messagesMax = 2000;
const mailboxesMax = 500;
const idsMax = 5000;
const sendersMax = 1000;

// Relays share the work: each skips what another one holds, and nobody waits.
const expiredMailboxesSql = statement(
  'expired_mailboxes',
  `select * from mailbox where epoch in
     (select epoch from (select epoch from message where expires_ms <= $1 order by expires_ms limit $2) as old)
   order by inbox for update skip locked`,
);
const expireSql = statement(
  'expire',
  `delete from message where (epoch, priority, message_offset) in
     (select epoch, priority, message_offset from message where expires_ms <= $1 and epoch = any($2::bytea[])
      order by expires_ms limit $3)
   returning epoch, sender, octet_length(envelope) as bytes`,
);
const sliceSql = statement(
  'sweep_slice',
  'select * from mailbox where inbox > $1 order by inbox limit $2 for update skip locked',
);
const turnSql = statement(
  'turn_generation',
  `update mailbox set generation = $2, generation_count = $3, generation_since_ms = $4, oldest_generation = $5
   where epoch = $1`,
);
const dropIdsSql = statement(
  'drop_ids',
  `delete from message_id where (epoch, generation, message_id) in
     (select epoch, generation, message_id from message_id where epoch = $1 and generation <= $2 limit $3)
   returning 1`,
);
const leftoverSql = statement('leftover', 'select epoch from leftover limit 1 for update skip locked');
const forgetLeftoverSql = statement('forget_leftover', 'delete from leftover where epoch = $1');
const dropSendersSql = statement(
  'drop_senders',
  `delete from sender where sender in (select sender from sender where count = 0 limit $1 for update skip locked)
   returning 1`,
);
const allGenerations = 2 ** 31 - 1;

/** Clears away what expired, a slice each time. */
export class Sweeper {
  readonly #connections: Connections;
  readonly #limits: EngineLimits;
  readonly #clock: Clock;
  /** Mailboxes up to here were looked at in this round. */
  #after: Uint8Array = new Uint8Array(0);

  constructor(connections: Connections, limits: EngineLimits, clock: Clock) {
    this.#connections = connections;
    this.#limits = limits;
    this.#clock = clock;
  }

  async sweep(): Promise<number> {
    const nowMs = this.#clock.now();
    const expired = await this.#connections.transaction((session) => expireMessages(session, nowMs));
    const ended = await this.#connections.transaction((session) => this.#goRound(session, nowMs));
    const leftovers = await this.#connections.transaction(clearLeftover);
    const senders = await this.#connections.transaction((session) => session.query(dropSendersSql, [sendersMax]));
    return expired + ended + leftovers + senders.length;
  }

  async #goRound(session: Session, nowMs: number): Promise<number> {
    const rows = await session.query<MailboxColumns>(sliceSql, [this.#after, mailboxesMax]);
    this.#after = rows.length < mailboxesMax ? new Uint8Array(0) : (rows.at(-1) as MailboxColumns).inbox;
    let removed = 0;
    let idsLeft = idsMax;
    for (const row of rows) {
      const mailbox = mailboxOf(row);
      if (mailbox.count === 0 && mailbox.claim.untilMs <= nowMs) {
        await dropMailbox(session, mailbox);
        removed += 1;
      } else if (idsLeft > 0) {
        const dropped = await this.#expireIds(session, mailbox, nowMs, idsLeft);
        idsLeft -= dropped;
        removed += dropped;
      }
    }
    return removed;
  }

  /** Ids of generations that no look-up reaches any more. */
  async #expireIds(session: Session, mailbox: Mailbox, nowMs: number, countMax: number): Promise<number> {
    const { epoch, generation, oldestGeneration, generationCount, generationSinceMs } = mailbox;
    const isIdle = generationCount > 0 && nowMs - generationSinceMs >= 2 * this.#limits.dedupMs;
    const keepFrom = isIdle ? generation + 1 : generation - 1;
    if (oldestGeneration >= keepFrom) return 0;
    const key = hexBuffer(epoch);
    const dropped = await session.query(dropIdsSql, [key, keepFrom - 1, countMax]);
    if (dropped.length < countMax) {
      const turned = isIdle ? [keepFrom, 0, nowMs] : [generation, generationCount, generationSinceMs];
      await session.query(turnSql, [key, ...turned, keepFrom]);
    }
    return dropped.length;
  }
}

async function expireMessages(session: Session, nowMs: number): Promise<number> {
  const rows = await session.query<MailboxColumns>(expiredMailboxesSql, [nowMs, messagesMax]);
  if (rows.length === 0) return 0;
  const removed = await session.query<Removed>(expireSql, [nowMs, rows.map(({ epoch }) => epoch), messagesMax]);
  await countOut(session, byEpoch(rows.map(mailboxOf)), removed);
  return removed.length;
}

async function clearLeftover(session: Session): Promise<number> {
  const [leftover] = await session.query<{ epoch: Buffer }>(leftoverSql);
  if (leftover === undefined) return 0;
  const dropped = await session.query(dropIdsSql, [leftover.epoch, allGenerations, idsMax]);
  if (dropped.length < idsMax) await session.query(forgetLeftoverSql, [leftover.epoch]);
  return dropped.length;
}
