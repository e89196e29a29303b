import { StoreBusyError, StoreFullError, type TableStore } from '@pulsemesh/store';
import type { Priority, StoreRefusal } from '../../engine.ts';
import type { InboxId } from '../../inbox-id.ts';
import { Watchers } from '../watchers.ts';
import { Books, type Mailbox, type Share } from './books.ts';
import { decodeMailbox, decodeMessage, type MessageRow, messageKey, messageKeyEnd, tables } from './rows.ts';
import { addShare, type Totals, Work } from './work.ts';

/** What became of a work: all of it, or nothing. */
export type Fate = Extract<StoreRefusal, 'relay-full' | 'busy'> | 'written';

const priorities: readonly Priority[] = ['urgent', 'normal'];

/** Commits works in the order they are handed over, and keeps the counts right when one fails. */
export class Writer {
  readonly store: TableStore;
  readonly books: Books;
  readonly watchers = new Watchers();
  readonly totals: Totals = { messages: 0, bytes: 0 };
  readonly #inFlight = new Set<Promise<unknown>>();
  /** Rows on the disk that say something else than the books; written with the next work that succeeds. */
  #stale: Work;

  constructor(store: TableStore) {
    this.store = store;
    this.books = new Books(store);
    this.#stale = this.newWork();
    for (const { value } of store.range(tables.mailbox)) {
      const { count, bytes } = decodeMailbox('' as InboxId, value); // the name does not matter here
      this.totals.messages += count;
      this.totals.bytes += bytes;
    }
  }

  newWork(): Work {
    return new Work(this.totals);
  }

  /** @throws {StoreFailedError} and others of the store: the engine is to be given up. */
  async write(work: Work): Promise<Fate> {
    const fate = await this.#guard(work, async () => {
      const stale = this.#stale;
      await this.store.commit([...work.changes, ...work.rows(), ...stale.rows()]);
      if (stale === this.#stale) this.#stale = this.newWork();
      stale.end();
    });
    if (fate === 'written') for (const { inbox } of work.filled()) this.watchers.wake(inbox);
    return fate;
  }

  /** Writes a work that only removes messages: that is possible on a full disk, without the rows. */
  async writeRemovals(work: Work): Promise<void> {
    await this.#guard(work, async () => {
      try {
        await this.store.commit([...work.changes, ...work.rows()]);
      } catch (error) {
        if (!(error instanceof StoreFullError)) throw error;
        await this.store.commit(work.changes);
        work.passRowsTo(this.#stale);
      }
    });
  }

  async #guard(work: Work, commit: () => Promise<void>): Promise<Fate> {
    const committing = work.changes.length === 0 ? Promise.resolve() : commit();
    this.#inFlight.add(committing);
    try {
      await committing;
      return 'written';
    } catch (error) {
      work.undo();
      // A work planned after this one may have written counts that had this one in them.
      work.passRowsTo(this.#stale);
      if (error instanceof StoreFullError) return 'relay-full';
      if (error instanceof StoreBusyError) return 'busy';
      throw error;
    } finally {
      this.#inFlight.delete(committing);
      work.end();
    }
  }

  /** Resolves when all that is under way now has ended, one way or the other. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#inFlight]);
  }

  /** Committed messages past the cursor, urgent ones first. */
  *rows(mailbox: Mailbox, after: Readonly<Record<Priority, number>>): Iterable<MessageRow> {
    for (const priority of priorities) {
      const from = messageKey(mailbox.epoch, priority, after[priority] + 1);
      const range = { from, until: messageKeyEnd(mailbox.epoch, priority) };
      for (const { key, value } of this.store.range(tables.message, range)) yield decodeMessage(key, value);
    }
  }

  /** What each sender has in a mailbox, with what is being written and without what is being removed. */
  sharesOf(mailbox: Mailbox): Map<InboxId, Share> {
    const shares = new Map<InboxId, Share>();
    const counted = new Set<number>();
    for (const { sender, bytes, offset } of mailbox.writing.values()) {
      counted.add(offset);
      addShare(shares, sender, { count: 1, bytes });
    }
    for (const { sender, envelope, offset } of this.rows(mailbox, { urgent: 0, normal: 0 })) {
      if (counted.has(offset) || mailbox.removing.has(offset)) continue;
      addShare(shares, sender, { count: 1, bytes: envelope.length });
    }
    return shares;
  }

  /** Takes a message out with this work, unless that is under way: then false. */
  remove(work: Work, mailbox: Mailbox, { offset, priority, sender, envelope }: MessageRow): boolean {
    if (mailbox.removing.has(offset)) return false;
    mailbox.removing.add(offset);
    work.changes.push({ kind: 'remove', table: tables.message, key: messageKey(mailbox.epoch, priority, offset) });
    const budget = this.books.budget(sender);
    work.count({ mailbox, budget, sign: -1, bytes: envelope.length, offset, id: '' });
    return true;
  }
}
