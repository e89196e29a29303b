import type { TableChange } from '@pulsemesh/store';
import { type InboxId, inboxBytes } from '../../inbox-id.ts';
import type { Budget, Mailbox, Share } from './books.ts';
import { encodeMailbox, encodeNumbers, tables } from './rows.ts';

/** Over all mailboxes. */
export interface Totals {
  messages: number;
  bytes: number;
}

/** One message counted in (1) or out (-1). */
interface Entry {
  readonly mailbox: Mailbox;
  readonly budget: Budget;
  readonly sign: 1 | -1;
  readonly bytes: number;
  readonly offset: number;
  /** Of a message that is written: its id as hex. */
  readonly id: string;
}

/** Adds to what a sender has in a mailbox. */
export function addShare(shares: Map<InboxId, Share>, sender: InboxId, added: Share): void {
  const known = shares.get(sender);
  const share = { count: (known?.count ?? 0) + added.count, bytes: (known?.bytes ?? 0) + added.bytes };
  if (share.count === 0) shares.delete(sender);
  else shares.set(sender, share);
}

/** What one call changes, and whose rows are written with it. */
export class Work {
  readonly changes: TableChange[] = [];
  readonly #totals: Totals;
  readonly #entries: Entry[] = [];
  readonly #mailboxes = new Set<Mailbox>();
  readonly #budgets = new Set<Budget>();

  constructor(totals: Totals) {
    this.#totals = totals;
  }

  /** Counts a message in or out; counted back by `undo`. */
  count(entry: Entry): void {
    this.useMailbox(entry.mailbox);
    this.#useBudget(entry.budget);
    this.#entries.push(entry);
    this.#add(entry, entry.sign);
  }

  /** The mailbox's row is written with this work. */
  useMailbox(mailbox: Mailbox): void {
    if (this.#mailboxes.has(mailbox)) return;
    this.#mailboxes.add(mailbox);
    mailbox.inFlight += 1;
  }

  #useBudget(budget: Budget): void {
    if (this.#budgets.has(budget)) return;
    this.#budgets.add(budget);
    budget.inFlight += 1;
  }

  /** The rows of this one are written with `other` as well. */
  passRowsTo(other: Work): void {
    for (const mailbox of this.#mailboxes) other.useMailbox(mailbox);
    for (const budget of this.#budgets) other.#useBudget(budget);
  }

  /** The rows of all that was used, as they are now. */
  rows(): TableChange[] {
    const rows: TableChange[] = [];
    for (const mailbox of this.#mailboxes) {
      if (mailbox.isGone) continue;
      const key = inboxBytes(mailbox.inbox);
      rows.push({ kind: 'put', table: tables.mailbox, key, value: encodeMailbox(mailbox) });
    }
    for (const { sender, count, bytes } of this.#budgets) {
      const key = inboxBytes(sender);
      if (count === 0) rows.push({ kind: 'remove', table: tables.sender, key });
      else rows.push({ kind: 'put', table: tables.sender, key, value: encodeNumbers(count, bytes) });
    }
    return rows;
  }

  /** The mailboxes that something was put into. */
  filled(): ReadonlySet<Mailbox> {
    const filled = new Set<Mailbox>();
    for (const { mailbox, sign } of this.#entries) if (sign === 1) filled.add(mailbox);
    return filled;
  }

  undo(): void {
    for (const entry of this.#entries) this.#add(entry, -entry.sign);
  }

  /** Nothing of it is under way any more. */
  end(): void {
    for (const { mailbox, sign, id, offset } of this.#entries) {
      if (sign === 1) mailbox.writing.delete(id);
      else mailbox.removing.delete(offset);
    }
    for (const mailbox of this.#mailboxes) mailbox.inFlight -= 1;
    for (const budget of this.#budgets) budget.inFlight -= 1;
  }

  #add({ mailbox, budget, bytes }: Entry, count: number): void {
    mailbox.count += count;
    mailbox.bytes += count * bytes;
    if (mailbox.shares !== null) addShare(mailbox.shares, budget.sender, { count, bytes: count * bytes });
    budget.count += count;
    budget.bytes += count * bytes;
    this.#totals.messages += count;
    this.#totals.bytes += count * bytes;
  }
}
