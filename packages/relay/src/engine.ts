import type { InboxId } from './inbox-id.ts';

/** `urgent` is read before `normal`; within a priority the order of storing is kept. */
export type Priority = 'urgent' | 'normal';

/** What a mailbox holds: a sealed envelope, or a receipt for one that this mailbox's owner sent. */
export type MessageKind = 'message' | 'receipt';

/** One message for one mailbox. A broadcast is one of these for each recipient. */
export interface MessageToStore {
  readonly inbox: InboxId;
  /** 16 bytes that the sender drew; the same id is stored once in a mailbox, however often it is sent. */
  readonly messageId: Uint8Array;
  /** Whose budget the message counts against, until it is acknowledged or expires. */
  readonly sender: InboxId;
  readonly kind: MessageKind;
  /** Opaque; at most `envelopeBytesMax`. */
  readonly envelope: Uint8Array;
  readonly priority: Priority;
  /** Milliseconds from now until it may be dropped; more than `ttlMsMax` is taken as that. */
  readonly ttlMs: number;
  /** The mailbox that receipts for it go to; null: none wanted. */
  readonly receiptTo: InboxId | null;
}

/**
 * Why a message was not stored: `no-such-inbox` nobody claims it · `mailbox-full` its count or bytes are used up ·
 * `sender-full` the sender's are · `relay-full` no room on the disk · `too-large` · `busy` too much is being written now.
 */
export type StoreRefusal = 'no-such-inbox' | 'mailbox-full' | 'sender-full' | 'relay-full' | 'too-large' | 'busy';

/** What became of one message of a batch. */
export type StoreOutcome =
  /** `isNew` false: it had been stored before, perhaps been read since. `offset` is null where that is no longer known. */
  | { readonly kind: 'stored'; readonly offset: number | null; readonly isNew: boolean }
  | { readonly kind: 'refused'; readonly code: StoreRefusal };

/** How far a reader is, by priority: the greatest offset it was given of each. Zero: from the oldest. */
export interface ReadCursor {
  readonly urgent: number;
  readonly normal: number;
}

export interface ReadRequest {
  readonly inbox: InboxId;
  readonly after: ReadCursor;
  readonly countMax: number;
  /** Of envelopes; the first message is given even when it alone is longer. */
  readonly bytesMax: number;
}

export interface StoredMessage {
  /** 1, 2, 3 … in the order of storing, over both priorities; gaps are possible. */
  readonly offset: number;
  readonly priority: Priority;
  readonly kind: MessageKind;
  readonly messageId: Uint8Array;
  /** The reader's own: not touched again by the engine. */
  readonly envelope: Uint8Array;
  /** Wall time of storing, milliseconds. */
  readonly storedMs: number;
  readonly receiptTo: InboxId | null;
}

/** Where a mailbox stands. */
export interface MailboxPosition {
  /**
   * 8 random bytes as 16 hex digits, drawn when the mailbox was made in this store. Another epoch than last time means that
   * the store was lost, with what it held; so does an offset that went back.
   */
  readonly epoch: string;
  /** The greatest offset given so far; 0: none. */
  readonly lastOffset: number;
}

export interface ReadResult {
  /** The mailbox's epoch now; null: there is no such mailbox. */
  readonly epoch: string | null;
  /** Urgent ones first, each priority in order; expired ones left out. */
  readonly messages: readonly StoredMessage[];
}

/** What a reader has done with messages of one mailbox, for good. */
export interface MailboxAck {
  readonly inbox: InboxId;
  /** Acks of another epoch than the mailbox has are ignored. */
  readonly epoch: string;
  readonly messages: readonly { readonly offset: number; readonly priority: Priority }[];
}

/** Who owns a mailbox. The relay has checked that the owner may claim it. */
export interface InboxClaim {
  readonly inbox: InboxId;
  /** The owner's address. */
  readonly owner: InboxId;
  /** Wall time; then the mailbox takes nothing more, and is forgotten once it is empty. */
  readonly untilMs: number;
  /** True: streams opened to this inbox go to the owner. */
  readonly takesStreams: boolean;
}

/** `taken`: it has another owner, whose claim has not run out. `too-many`: `claimsPerOwnerMax`. */
export type ClaimOutcome = 'claimed' | 'taken' | 'too-many' | 'relay-full';

export interface EngineStats {
  readonly mailboxes: number;
  /** Stored and neither acknowledged nor removed as expired. */
  readonly messages: number;
  /** Of their envelopes. */
  readonly bytes: number;
}

/** Limits of an engine; {@link engineLimits} has the defaults. */
export interface EngineLimits {
  readonly envelopeBytesMax: number;
  /** Messages in one mailbox; then `mailbox-full`. */
  readonly mailboxCountMax: number;
  /** Bytes of envelopes in one mailbox; then `mailbox-full`. */
  readonly mailboxBytesMax: number;
  /** Messages of one sender in one mailbox, and their bytes; then `sender-full`: the rest of it is for others. */
  readonly mailboxSenderCountMax: number;
  readonly mailboxSenderBytesMax: number;
  /** Messages of one sender in all mailboxes together; then `sender-full`. */
  readonly senderCountMax: number;
  readonly senderBytesMax: number;
  readonly ttlMsMax: number;
  /** How long a stored message's id is remembered at least. Not less than `ttlMsMax`: a sender gives up by then. */
  readonly dedupMs: number;
  /** How many ids a mailbox remembers at least, where more than that come within `dedupMs`. */
  readonly dedupCountMin: number;
  /** Mailboxes of one owner; then `too-many`. */
  readonly claimsPerOwnerMax: number;
}

const dayMs = 86_400_000;

export const engineLimits: EngineLimits = {
  envelopeBytesMax: 1024 * 1024,
  mailboxCountMax: 10_000,
  mailboxBytesMax: 64 * 1024 * 1024,
  mailboxSenderCountMax: 5_000,
  mailboxSenderBytesMax: 32 * 1024 * 1024,
  senderCountMax: 50_000,
  senderBytesMax: 256 * 1024 * 1024,
  ttlMsMax: 14 * dayMs,
  dedupMs: 14 * dayMs,
  dedupCountMin: 100_000,
  claimsPerOwnerMax: 256,
};

/**
 * Mailboxes: what a relay keeps for those who are not there. One process, or many relays over one shared engine: nothing
 * here depends on which relay an agent is connected to, and two readers of one mailbox do no harm (each is given all;
 * what either acknowledges is gone). Every implementation passes `runEngineContract` of `@pulsemesh/relay/testing`.
 *
 * Methods reject only when the engine itself failed or is closed; then what was asked may have happened or not, and is asked
 * again (all of it is idempotent). A condition with `retryable` false means: the process should stop.
 */
export interface MailboxEngine extends AsyncDisposable {
  /** `memory`, `lmdb`, `postgres`, `nats`: for logs and metrics. */
  readonly name: string;
  readonly limits: EngineLimits;
  /**
   * Stores each message or says why not; outcomes in the order of `batch`. Resolves once what is stored is durable.
   * Messages of one mailbox become readable in the order of their offsets: a reader that was given offset 5 never finds 4 later.
   * Within a batch, and between batches handed over one after the other, the order is kept.
   */
  append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]>;
  /** Messages past the cursor, oldest first within each priority. Empty: none now. Reading removes nothing. */
  read(request: ReadRequest): Promise<ReadResult>;
  /** Removes for good; resolves once that is durable, with how many there were to remove. */
  ack(acks: readonly MailboxAck[]): Promise<number>;
  /** Null: nobody claimed it here, or it was forgotten. */
  position(inbox: InboxId): Promise<MailboxPosition | null>;
  /**
   * Claims mailboxes, or prolongs the claims (`untilMs` and `takesStreams` are taken from the new one); durable. The mailbox is
   * made, with a new epoch, unless it is there.
   */
  claim(claims: readonly InboxClaim[]): Promise<readonly ClaimOutcome[]>;
  /** Ends a claim and drops what the mailbox holds; false where `owner` has none. */
  release(inbox: InboxId, owner: InboxId): Promise<boolean>;
  /** The claim that holds now; null: none, or it ran out. */
  claimOf(inbox: InboxId): Promise<InboxClaim | null>;
  /**
   * Calls back after something became readable in the mailbox, from whichever relay. Only a wake-up: it may come for
   * nothing, or late, and (between relays) rarely not at all, so a reader also looks every few seconds. Must not throw.
   */
  watch(inbox: InboxId, handler: () => void): Disposable;
  stats(): Promise<EngineStats>;
  /**
   * Removes what expired (messages, ids past `dedupMs`, claims of empty mailboxes), a bounded slice of it, and resolves with how much.
   * Its owner calls it every few seconds; several relays may.
   */
  sweep(): Promise<number>;
}
