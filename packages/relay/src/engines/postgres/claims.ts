import type { Random } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import type { ClaimOutcome, EngineLimits, InboxClaim } from '../../engine.ts';
import { type InboxId, inboxBytes } from '../../inbox-id.ts';
import { byEpoch, countOut, hexBuffer, lockMailboxes, type Mailbox, type Removed } from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';

interface ClaimContext {
  readonly limits: EngineLimits;
  readonly nowMs: number;
  readonly random: Random;
}

// An owner's claims are counted by one relay at a time. The first eight bytes of an id will do: who shares them waits.
const lockOwnerSql = statement('lock_owner', 'select pg_advisory_xact_lock($1::bigint)');
const countClaimsSql = statement('count_claims', 'select count(*) as count from mailbox where owner = $1');
const prolongSql = statement('prolong', 'update mailbox set until_ms = $2, takes_streams = $3 where inbox = $1');
const makeSql = statement(
  'make_mailbox',
  `insert into mailbox (inbox, epoch, owner, until_ms, takes_streams, last_offset, count, bytes, expired_ms,
     generation, generation_count, generation_since_ms, oldest_generation)
   values ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, 0, $6, 0) on conflict (inbox) do nothing returning 1 as made`,
);
const emptySql = statement(
  'empty_mailbox',
  'delete from message where epoch = $1 returning epoch, sender, octet_length(envelope) as bytes',
);
const dropSql = statement(
  'drop_mailbox',
  `with gone as (delete from mailbox where inbox = $1 returning epoch)
   insert into leftover (epoch) select epoch from gone on conflict do nothing`,
);

/** Claims in turn, in the open transaction. */
export async function claimAll(
  session: Session,
  claims: readonly InboxClaim[],
  context: ClaimContext,
): Promise<ClaimOutcome[]> {
  const owners = [...new Set(claims.map(({ owner }) => owner))].sort();
  for (const owner of owners) await session.query(lockOwnerSql, [lockNumber(owner)]);
  await lockMailboxes(
    session,
    claims.map(({ inbox }) => inbox),
  );
  const outcomes: ClaimOutcome[] = [];
  for (const claim of claims) outcomes.push(await claimOne(session, claim, context));
  return outcomes;
}

async function claimOne(session: Session, claim: InboxClaim, context: ClaimContext): Promise<ClaimOutcome> {
  const { inbox, owner, untilMs, takesStreams } = claim;
  // Again, since an earlier claim of the same call may have changed it.
  const mailbox = (await lockMailboxes(session, [inbox])).get(inbox);
  if (mailbox?.claim.owner === owner) {
    await session.query(prolongSql, [inboxBytes(inbox), untilMs, takesStreams]);
    return 'claimed';
  }
  if (mailbox !== undefined && mailbox.claim.untilMs > context.nowMs) return 'taken';
  const [owned] = await session.query<{ count: number }>(countClaimsSql, [inboxBytes(owner)]);
  if ((owned?.count ?? 0) >= context.limits.claimsPerOwnerMax) return 'too-many';
  // What the last owner left is not the next one's.
  if (mailbox !== undefined) await dropMailbox(session, mailbox);
  const values = [inboxBytes(inbox), context.random.bytes(8), inboxBytes(owner), untilMs, takesStreams, context.nowMs];
  const made = await session.query(makeSql, values);
  // Another owner made it between the two statements, at another relay.
  return made.length === 0 ? 'taken' : 'claimed';
}

/** Ends the claim of `owner`, in the open transaction. */
export async function releaseMailbox(session: Session, inbox: InboxId, owner: InboxId): Promise<boolean> {
  const mailbox = (await lockMailboxes(session, [inbox])).get(inbox);
  if (mailbox?.claim.owner !== owner) return false;
  await dropMailbox(session, mailbox);
  return true;
}

/** Drops a mailbox that is locked: its messages now, its ids at the next sweeps. */
export async function dropMailbox(session: Session, mailbox: Mailbox): Promise<void> {
  const removed = await session.query<Removed>(emptySql, [hexBuffer(mailbox.epoch)]);
  await countOut(session, byEpoch([mailbox]), removed);
  await session.query(dropSql, [inboxBytes(mailbox.inbox)]);
}

/** As text, since it may be beyond what a number holds. */
function lockNumber(owner: InboxId): string {
  return BigInt.asIntN(64, BigInt(`0x${toHex(inboxBytes(owner).subarray(0, 8))}`)).toString();
}
