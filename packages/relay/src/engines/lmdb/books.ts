import type { TableStore } from '@pulsemesh/store';
import { type InboxId, inboxBytes } from '../../inbox-id.ts';
import { decodeMailbox, decodeNumber, type MailboxRow, tables } from './rows.ts';

/** A mailbox in use: its row as it will be once all that is under way is committed. */
export interface Mailbox extends MailboxRow {
  readonly inbox: InboxId;
  /** Ids that are being written, and what becomes of them. */
  readonly writing: Map<string, Writing>;
  /** What each sender has in it; null: not counted, while there is little in it. */
  shares: Map<InboxId, Share> | null;
  /** Offsets that are being removed. */
  readonly removing: Set<number>;
  /** Changes under way; such a mailbox is not let go of. */
  inFlight: number;
  /** True: released, or taken over; takes nothing more. */
  isGone: boolean;
  /** When expired messages were last looked for because it was full. */
  expiredMs: number;
}

/** A message on its way into the tables. */
export interface Writing {
  readonly offset: number;
  readonly sender: InboxId;
  readonly bytes: number;
  readonly fate: Promise<'relay-full' | 'busy' | 'written'>;
}

/** What one sender has in one mailbox. */
export interface Share {
  readonly count: number;
  readonly bytes: number;
}

/** What one sender has stored, over all mailboxes. */
export interface Budget {
  readonly sender: InboxId;
  count: number;
  bytes: number;
  inFlight: number;
}

/** Kept in memory at most, of each kind, beyond those in use. */
const cachedMax = 20_000;

/**
 * Mailboxes and budgets as they will be: read from the tables when first needed, changed here at once, written with the batch
 * that changed them. One process owns them.
 */
export class Books {
  readonly #store: TableStore;
  readonly #mailboxes = new Map<InboxId, Mailbox>();
  readonly #budgets = new Map<InboxId, Budget>();

  constructor(store: TableStore) {
    this.#store = store;
  }

  mailbox(inbox: InboxId): Mailbox | undefined {
    const cached = this.#mailboxes.get(inbox);
    if (cached !== undefined) return cached;
    const bytes = this.#store.get(tables.mailbox, inboxBytes(inbox));
    if (bytes === undefined) return undefined;
    const mailbox: Mailbox = {
      ...decodeMailbox(inbox, bytes),
      inbox,
      writing: new Map(),
      shares: null,
      removing: new Set(),
      inFlight: 0,
      isGone: false,
      expiredMs: Number.NEGATIVE_INFINITY,
    };
    letGo(this.#mailboxes);
    this.#mailboxes.set(inbox, mailbox);
    return mailbox;
  }

  budget(sender: InboxId): Budget {
    const cached = this.#budgets.get(sender);
    if (cached !== undefined) return cached;
    const bytes = this.#store.get(tables.sender, inboxBytes(sender));
    const budget: Budget = {
      sender,
      count: bytes === undefined ? 0 : decodeNumber(bytes, 0),
      bytes: bytes === undefined ? 0 : decodeNumber(bytes, 1),
      inFlight: 0,
    };
    letGo(this.#budgets);
    this.#budgets.set(sender, budget);
    return budget;
  }

  forget(mailbox: Mailbox): void {
    if (this.#mailboxes.get(mailbox.inbox) === mailbox) this.#mailboxes.delete(mailbox.inbox);
  }
}

/** Lets go of some that are not in use, oldest first, once there are too many. */
function letGo<T extends { readonly inFlight: number }>(cache: Map<InboxId, T>): void {
  if (cache.size < cachedMax) return;
  let looked = 0;
  for (const [key, value] of cache) {
    if (value.inFlight === 0) cache.delete(key);
    looked += 1;
    if (looked >= 16) return;
  }
}
