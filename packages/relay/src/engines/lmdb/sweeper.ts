import type { Clock } from '@pulsemesh/base';
import type { EngineLimits } from '../../engine.ts';
import { type InboxId, inboxBytes, inboxIdOf } from '../../inbox-id.ts';
import type { Mailbox } from './books.ts';
import type { Claims } from './claims.ts';
import { idKey, keyAfter, tables } from './rows.ts';
import type { Writer } from './writer.ts';

const sliceMailboxesMax = 500;
/** Messages looked at in a slice; a mailbox once begun is finished. */
const sliceMessagesMax = 2000;
const sliceIdsMax = 2000;

/** Goes round all mailboxes, a slice each time, and clears away what expired. */
export class Sweeper {
  readonly #writer: Writer;
  readonly #claims: Claims;
  readonly #clock: Clock;
  readonly #limits: EngineLimits;
  #next: Uint8Array = Uint8Array.of(0);

  constructor(writer: Writer, claims: Claims, limits: EngineLimits, clock: Clock) {
    this.#writer = writer;
    this.#claims = claims;
    this.#limits = limits;
    this.#clock = clock;
  }

  async sweep(): Promise<number> {
    const work = this.#writer.newWork();
    const ended: InboxId[] = [];
    const nowMs = this.#clock.now();
    let looked = 0;
    let isRound = true;
    for (const mailbox of this.#slice()) {
      looked += mailbox.count;
      if (mailbox.count > 0) this.#expireMessages(mailbox, nowMs, work);
      else if (mailbox.claim.untilMs <= nowMs) ended.push(mailbox.inbox);
      this.#expireIds(mailbox, nowMs, work);
      this.#next = keyAfter(inboxBytes(mailbox.inbox)) ?? Uint8Array.of(0);
      isRound = false;
      if (looked >= sliceMessagesMax) break;
    }
    if (isRound) this.#next = Uint8Array.of(0);
    const removed = work.changes.length;
    await this.#writer.writeRemovals(work);
    for (const inbox of ended) await this.#claims.forget(inbox);
    return removed + ended.length + (await this.#clearLeftovers());
  }

  *#slice(): Iterable<Mailbox> {
    const range = { from: this.#next, limit: sliceMailboxesMax };
    const keys = [...this.#writer.store.range(tables.mailbox, range)].map(({ key }) => key);
    for (const key of keys) {
      const mailbox = this.#writer.books.mailbox(inboxIdOf(key));
      if (mailbox !== undefined && !mailbox.isGone) yield mailbox;
    }
  }

  #expireMessages(mailbox: Mailbox, nowMs: number, work: ReturnType<Writer['newWork']>): void {
    for (const row of this.#writer.rows(mailbox, { urgent: 0, normal: 0 })) {
      if (row.expiresMs <= nowMs) this.#writer.remove(work, mailbox, row);
    }
  }

  /** Ids of generations that no look-up reaches any more. */
  #expireIds(mailbox: Mailbox, nowMs: number, work: ReturnType<Writer['newWork']>): void {
    const isIdle = nowMs - mailbox.generationSinceMs >= 2 * this.#limits.dedupMs;
    const keepFrom = isIdle ? mailbox.generation + 1 : mailbox.generation - 1;
    if (mailbox.oldestGeneration >= keepFrom) return;
    const from = idKey(mailbox.epoch, mailbox.oldestGeneration);
    const until = idKey(mailbox.epoch, mailbox.oldestGeneration + 1);
    const old = [...this.#writer.store.range(tables.id, { from, until, limit: sliceIdsMax })];
    for (const { key } of old) work.changes.push({ kind: 'remove', table: tables.id, key });
    if (old.length >= sliceIdsMax) return;
    work.useMailbox(mailbox);
    mailbox.oldestGeneration += 1;
    if (mailbox.oldestGeneration <= mailbox.generation) return;
    mailbox.generation = mailbox.oldestGeneration;
    mailbox.generationCount = 0;
    mailbox.generationSinceMs = nowMs;
  }

  async #clearLeftovers(): Promise<number> {
    const { store } = this.#writer;
    const [leftover] = store.range(tables.leftover, { limit: 1 });
    if (leftover === undefined) return 0;
    const until = keyAfter(leftover.key);
    const range = { from: leftover.key, ...(until === undefined ? {} : { until }), limit: sliceIdsMax };
    const ids = [...store.range(tables.id, range)];
    await store.commit(ids.map(({ key }) => ({ kind: 'remove', table: tables.id, key })));
    if (ids.length < sliceIdsMax) await store.commit([{ kind: 'remove', table: tables.leftover, key: leftover.key }]);
    return ids.length;
  }
}
