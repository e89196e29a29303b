import type { EngineLimits, MessageToStore, StoreOutcome, StoreRefusal } from '../../engine.ts';
import type { InboxId } from '../../inbox-id.ts';
import type { SendLast } from './connections.ts';
import {
  addSenders,
  type Budget,
  byEpoch,
  inboxOf,
  lockMailboxes,
  lockSenders,
  type Mailbox,
  priorityNumbers,
  type Removed,
  takeOut,
} from './rows.ts';
import type { Session } from './session.ts';
import { statement } from './statements.ts';
import { byteaArray, hexOf, numberArray } from './values.ts';

/** A message that is stored with this transaction. */
interface Placed {
  readonly message: MessageToStore;
  readonly mailbox: Mailbox;
  readonly offset: number;
  readonly generation: number;
}

/** Looking through a full mailbox for expired messages costs; a flood must not pay for it with each message. */
const expireEveryMs = 1000;

// "Offset 0" keeps the look-ups apart: joined, a server may read the whole table for them.
const knownIdsSql = statement(
  'known_ids_of_inboxes',
  `select given.number, found.message_offset as offset
   from unnest($1::bytea[], $2::bytea[]) with ordinality as given (inbox, id, number)
   join mailbox on mailbox.inbox = given.inbox
   cross join lateral (
     select message_offset from message_id where message_id.epoch = mailbox.epoch
       and message_id.generation in (mailbox.generation, mailbox.generation - 1) and message_id.message_id = given.id offset 0
   ) as found`,
);
const expireSql = statement(
  'expire_mailboxes',
  `delete from message where epoch = any($1::bytea[]) and expires_ms <= $2
   returning epoch, sender, octet_length(envelope) as bytes`,
);
const sharesSql = statement(
  'shares_of_mailboxes',
  `select epoch, sender, count(*) as count, sum(octet_length(envelope)) as bytes
   from message where epoch = any($1::bytea[]) and sender = any($2::bytea[]) group by epoch, sender`,
);
// All envelopes are one parameter, cut apart here: as an array they would travel as text, twice as long.
const writeSql = statement(
  'append',
  `with given as (
     select * from unnest($1::bytea[], $2::integer[], $3::smallint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::smallint[],
       $8::bigint[], $9::bytea[], $10::integer[], $11::integer[])
       as given (epoch, generation, priority, message_offset, message_id, sender, kind, expires_ms, receipt_to, start, length)
   ), messages as (
     insert into message
       (epoch, priority, message_offset, message_id, sender, kind, stored_ms, expires_ms, receipt_to, envelope)
     select epoch, priority, message_offset, message_id, sender, kind, $13::bigint, expires_ms, receipt_to,
       substring($12::bytea from start for length) from given
   ), ids as (
     insert into message_id (epoch, generation, message_id, message_offset)
     select epoch, generation, message_id, message_offset from given
   ), boxes as (
     update mailbox set last_offset = each.last_offset, count = each.count, bytes = each.bytes, expired_ms = each.expired_ms,
       generation = each.generation, generation_count = each.generation_count, generation_since_ms = each.generation_since_ms
     from unnest($14::bytea[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::integer[], $20::bigint[], $21::bigint[])
       as each (inbox, last_offset, count, bytes, expired_ms, generation, generation_count, generation_since_ms)
     where mailbox.inbox = each.inbox
   )
   update sender set count = each.count, bytes = each.bytes
   from unnest($22::bytea[], $23::bigint[], $24::bigint[]) as each (sender, count, bytes) where sender.sender = each.sender`,
);

/**
 * Stores a batch in the transaction that is open on `session`, in two round trips where all is well: all that has to be known is asked for at
 * once, and what is written goes with the commit.
 */
export async function appendBatch(
  session: Session,
  batch: readonly MessageToStore[],
  { limits, nowMs, sendLast }: { readonly limits: EngineLimits; readonly nowMs: number; readonly sendLast: SendLast },
): Promise<StoreOutcome[]> {
  // In this order: each statement sees what was committed before the locks of the one before it were given.
  const [mailboxes, known, budgets] = await Promise.all([
    lockMailboxes(
      session,
      batch.map(({ inbox }) => inbox),
    ),
    knownIds(session, batch),
    lockSenders(
      session,
      batch.map(({ sender }) => sender),
    ),
  ]);
  const ledger = new Ledger(mailboxes, limits, nowMs);
  const candidates = batch.filter((message) => ledger.refusalBefore(message) === null);
  if (candidates.length === 0) return batch.map((message) => ledger.place(message));
  const removed = await expireIn(session, ledger.lookThrough(candidates), nowMs);
  const senders = new Set(candidates.map(({ sender }) => sender));
  for (const { sender } of removed) senders.add(inboxOf(sender));
  const missing = [...senders].filter((sender) => !budgets.has(sender));
  for (const [sender, budget] of await addSenders(session, missing)) budgets.set(sender, budget);
  ledger.open(known, budgets, removed);
  ledger.useShares(await sharesIn(session, ledger.crowded(candidates), candidates));
  const outcomes = batch.map((message) => ledger.place(message));
  if (ledger.hasChanges) sendLast(session.query(writeSql, ledger.parameters()));
  return outcomes;
}

/** What the senders of a batch have in those mailboxes. */
async function sharesIn(
  session: Session,
  crowded: readonly Mailbox[],
  batch: readonly MessageToStore[],
): Promise<ReadonlyMap<string, Budget>> {
  if (crowded.length === 0) return new Map();
  const senders = new Set(batch.map(({ sender }) => sender));
  const rows = await session.query<{ epoch: Buffer; sender: Buffer; count: number; bytes: number }>(sharesSql, [
    byteaArray(crowded.map(({ epoch }) => epoch)),
    byteaArray(senders),
  ]);
  return new Map(
    rows.map(({ epoch, sender, count, bytes }) => [shareOf(hexOf(epoch), inboxOf(sender)), { count, bytes }]),
  );
}

function shareOf(epoch: string, sender: InboxId): string {
  return `${epoch} ${sender}`;
}

async function expireIn(session: Session, full: readonly Mailbox[], nowMs: number): Promise<readonly Removed[]> {
  if (full.length === 0) return [];
  return session.query<Removed>(expireSql, [byteaArray(full.map(({ epoch }) => epoch)), nowMs]);
}

/** Offsets of what is stored already, by inbox and id. */
async function knownIds(session: Session, batch: readonly MessageToStore[]): Promise<Map<string, number>> {
  const rows = await session.query<{ number: number; offset: number }>(knownIdsSql, [
    byteaArray(batch.map(({ inbox }) => inbox)),
    byteaArray(batch.map(({ messageId }) => hexOf(messageId))),
  ]);
  return new Map(rows.map(({ number, offset }) => [keyOf(batch[number - 1] as MessageToStore), offset]));
}

function keyOf({ inbox, messageId }: MessageToStore): string {
  return `${inbox}${hexOf(messageId)}`;
}

/** Decides on each message of a batch in turn, on rows that are locked, and collects what is to be written. */
class Ledger {
  readonly #mailboxes: ReadonlyMap<InboxId, Mailbox>;
  readonly #limits: EngineLimits;
  readonly #nowMs: number;
  #known = new Map<string, number>();
  #budgets: ReadonlyMap<InboxId, Budget> = new Map();
  /** What senders have in mailboxes where that may be too much. */
  readonly #shares = new Map<string, Budget>();
  readonly #placed: Placed[] = [];
  readonly #touched = new Set<Mailbox>();

  constructor(mailboxes: ReadonlyMap<InboxId, Mailbox>, limits: EngineLimits, nowMs: number) {
    this.#mailboxes = mailboxes;
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get hasChanges(): boolean {
    return this.#touched.size > 0;
  }

  /** Mailboxes in which the candidates may not find room, and that have not been looked through lately. */
  lookThrough(candidates: readonly MessageToStore[]): Mailbox[] {
    const { mailboxCountMax, mailboxBytesMax } = this.#limits;
    const full = this.#exceeding(candidates, mailboxCountMax, mailboxBytesMax).filter(
      (mailbox) => this.#nowMs - mailbox.expiredMs >= expireEveryMs,
    );
    for (const mailbox of full) {
      mailbox.expiredMs = this.#nowMs;
      this.#touched.add(mailbox);
    }
    return full;
  }

  /** Mailboxes in which one sender may have too much. */
  crowded(candidates: readonly MessageToStore[]): Mailbox[] {
    const { mailboxSenderCountMax, mailboxSenderBytesMax } = this.#limits;
    return this.#exceeding(candidates, mailboxSenderCountMax, mailboxSenderBytesMax);
  }

  useShares(shares: ReadonlyMap<string, Budget>): void {
    for (const [key, share] of shares) this.#shares.set(key, share);
  }

  /** Mailboxes that would have more than this with the candidates. */
  #exceeding(candidates: readonly MessageToStore[], countMax: number, bytesMax: number): Mailbox[] {
    const sums = new Map<Mailbox, Budget>();
    for (const { inbox, envelope } of candidates) {
      const mailbox = this.#mailboxes.get(inbox) as Mailbox; // candidates have one
      const { count, bytes } = sums.get(mailbox) ?? mailbox;
      sums.set(mailbox, { count: count + 1, bytes: bytes + envelope.length });
    }
    return [...sums].filter(([, { count, bytes }]) => count > countMax || bytes > bytesMax).map(([mailbox]) => mailbox);
  }

  open(known: Map<string, number>, budgets: ReadonlyMap<InboxId, Budget>, removed: readonly Removed[]): void {
    this.#known = known;
    this.#budgets = budgets;
    for (const mailbox of takeOut(byEpoch(this.#mailboxes.values()), budgets, removed)) this.#touched.add(mailbox);
  }

  /** What can be said without looking further. */
  refusalBefore({ inbox, envelope }: MessageToStore): StoreRefusal | null {
    const mailbox = this.#mailboxes.get(inbox);
    if (mailbox === undefined || mailbox.claim.untilMs <= this.#nowMs) return 'no-such-inbox';
    return envelope.length > this.#limits.envelopeBytesMax ? 'too-large' : null;
  }

  place(message: MessageToStore): StoreOutcome {
    const early = this.refusalBefore(message);
    if (early !== null) return { kind: 'refused', code: early };
    const mailbox = this.#mailboxes.get(message.inbox) as Mailbox; // else refused
    const id = keyOf(message);
    const known = this.#known.get(id);
    if (known !== undefined) return { kind: 'stored', offset: known, isNew: false };
    const budget = this.#budgets.get(message.sender) as Budget; // locked with the others
    const share = this.#shareOf(mailbox, message.sender);
    const code = this.#refusal(mailbox, budget, share, message.envelope.length);
    if (code !== null) return { kind: 'refused', code };
    this.#turnGeneration(mailbox);
    mailbox.lastOffset += 1;
    mailbox.generationCount += 1;
    for (const counted of [mailbox, budget, share]) {
      counted.count += 1;
      counted.bytes += message.envelope.length;
    }
    const { lastOffset: offset, generation } = mailbox;
    this.#known.set(id, offset);
    this.#touched.add(mailbox);
    this.#placed.push({ message, mailbox, offset, generation });
    return { kind: 'stored', offset, isNew: true };
  }

  #shareOf(mailbox: Mailbox, sender: InboxId): Budget {
    const key = shareOf(mailbox.epoch, sender);
    const share = this.#shares.get(key) ?? { count: 0, bytes: 0 };
    this.#shares.set(key, share);
    return share;
  }

  #refusal(mailbox: Mailbox, budget: Budget, share: Budget, bytes: number): StoreRefusal | null {
    const { mailboxCountMax, mailboxBytesMax, senderCountMax, senderBytesMax } = this.#limits;
    const { mailboxSenderCountMax, mailboxSenderBytesMax } = this.#limits;
    if (mailbox.count >= mailboxCountMax || mailbox.bytes + bytes > mailboxBytesMax) return 'mailbox-full';
    if (budget.count >= senderCountMax || budget.bytes + bytes > senderBytesMax) return 'sender-full';
    return share.count >= mailboxSenderCountMax || share.bytes + bytes > mailboxSenderBytesMax ? 'sender-full' : null;
  }

  #turnGeneration(mailbox: Mailbox): void {
    const isOld = this.#nowMs - mailbox.generationSinceMs >= this.#limits.dedupMs;
    if (mailbox.generationCount < this.#limits.dedupCountMin && !isOld) return;
    mailbox.generation += 1;
    mailbox.generationCount = 0;
    mailbox.generationSinceMs = this.#nowMs;
  }

  /** In the order of `writeSql`. */
  parameters(): unknown[] {
    return [...this.#messageParameters(), this.#nowMs, ...this.#mailboxParameters(), ...this.#budgetParameters()];
  }

  #messageParameters(): unknown[] {
    const placed = this.#placed;
    const each = <T>(pick: (placed: Placed) => T) => placed.map(pick);
    let start = 1;
    const starts = each(({ message }) => {
      start += message.envelope.length;
      return start - message.envelope.length;
    });
    return [
      byteaArray(each(({ mailbox }) => mailbox.epoch)),
      numberArray(each(({ generation }) => generation)),
      numberArray(each(({ message }) => priorityNumbers[message.priority])),
      numberArray(each(({ offset }) => offset)),
      byteaArray(each(({ message }) => hexOf(message.messageId))),
      byteaArray(each(({ message }) => message.sender)),
      numberArray(each(({ message }) => (message.kind === 'receipt' ? 1 : 0))),
      numberArray(each(({ message }) => this.#nowMs + Math.min(message.ttlMs, this.#limits.ttlMsMax))),
      byteaArray(each(({ message }) => message.receiptTo)),
      numberArray(starts),
      numberArray(each(({ message }) => message.envelope.length)),
      Buffer.concat(each(({ message }) => message.envelope)),
    ];
  }

  #mailboxParameters(): unknown[] {
    const touched = [...this.#touched];
    const each = (pick: (mailbox: Mailbox) => number) => numberArray(touched.map(pick));
    return [
      byteaArray(touched.map(({ inbox }) => inbox)),
      each(({ lastOffset }) => lastOffset),
      each(({ count }) => count),
      each(({ bytes }) => bytes),
      each(({ expiredMs }) => expiredMs),
      each(({ generation }) => generation),
      each(({ generationCount }) => generationCount),
      each(({ generationSinceMs }) => generationSinceMs),
    ];
  }

  #budgetParameters(): unknown[] {
    const budgets = [...this.#budgets];
    return [
      byteaArray(budgets.map(([sender]) => sender)),
      numberArray(budgets.map(([, { count }]) => count)),
      numberArray(budgets.map(([, { bytes }]) => bytes)),
    ];
  }
}
