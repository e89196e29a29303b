import type { Clock } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import type {
  ClaimOutcome,
  EngineLimits,
  EngineStats,
  InboxClaim,
  MailboxAck,
  MailboxEngine,
  MailboxPosition,
  MessageToStore,
  ReadRequest,
  ReadResult,
  StoredMessage,
  StoreOutcome,
  StoreRefusal,
} from '../../engine.ts';
import { EngineClosedError } from '../../errors.ts';
import type { InboxId } from '../../inbox-id.ts';
import { type EngineDependencies, type EngineOptions, resolveEngineLimits } from '../engine-options.ts';
import type { Mailbox } from './books.ts';
import { Claims } from './claims.ts';
import { decodeMessage, decodeNumber, encodeMessage, encodeNumbers, idKey, messageKey, tables } from './rows.ts';
import { Sweeper } from './sweeper.ts';
import type { Work } from './work.ts';
import { type Fate, Writer } from './writer.ts';

export interface TableEngineDependencies extends EngineDependencies {
  /** Disposed with the engine. No other engine may use it at the same time. */
  readonly store: TableStore;
}

/** Mailboxes in the tables of one process: LMDB, or memory for tests that restart. */
export function createTableEngine(
  name: string,
  options: EngineOptions,
  dependencies: TableEngineDependencies,
): MailboxEngine {
  return new TableEngine(name, options, dependencies);
}

type Planned =
  | StoreOutcome
  | { readonly kind: 'waits'; readonly offset: number; readonly isNew: boolean; readonly fate: Promise<Fate> };

/** Looking through a full mailbox for expired messages costs; a flood must not pay for it with each message. */
const expireEveryMs = 1000;

class TableEngine implements MailboxEngine {
  readonly name: string;
  readonly limits: EngineLimits;
  readonly #clock: Clock;
  readonly #writer: Writer;
  readonly #claims: Claims;
  readonly #sweeper: Sweeper;
  #isClosed = false;

  constructor(name: string, options: EngineOptions, { clock, random, store }: TableEngineDependencies) {
    this.name = name;
    this.limits = resolveEngineLimits(options.limits);
    this.#clock = clock;
    this.#writer = new Writer(store);
    this.#claims = new Claims(this.#writer, this.limits, { clock, random });
    this.#sweeper = new Sweeper(this.#writer, this.#claims, this.limits, clock);
  }

  async append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    this.#assertOpen();
    const work = this.#writer.newWork();
    const fate = Promise.withResolvers<Fate>();
    fate.promise.catch(() => {}); // each outcome that waits for it is told
    const nowMs = this.#clock.now();
    const planned = batch.map((message) => this.#plan(message, nowMs, work, fate.promise));
    void this.#writer.write(work).then(fate.resolve, fate.reject);
    const outcomes: StoreOutcome[] = [];
    const own = await fate.promise;
    for (const each of planned) {
      if (each.kind !== 'waits') {
        outcomes.push(each);
        continue;
      }
      const code = each.fate === fate.promise ? own : await each.fate;
      if (code === 'written') outcomes.push({ kind: 'stored', offset: each.offset, isNew: each.isNew });
      else outcomes.push(refused(code));
    }
    return outcomes;
  }

  #plan(message: MessageToStore, nowMs: number, work: Work, fate: Promise<Fate>): Planned {
    const mailbox = this.#writer.books.mailbox(message.inbox);
    if (mailbox === undefined || mailbox.isGone || mailbox.claim.untilMs <= nowMs) return refused('no-such-inbox');
    if (message.envelope.length > this.limits.envelopeBytesMax) return refused('too-large');
    const id = toHex(message.messageId);
    const known = this.#known(mailbox, id, message.messageId);
    if (known !== undefined) return known;
    const code = this.#refusal(mailbox, message, nowMs, work);
    if (code !== null) return refused(code);
    this.#turnGeneration(mailbox, nowMs);
    mailbox.lastOffset += 1;
    mailbox.generationCount += 1;
    const offset = mailbox.lastOffset;
    const { sender, envelope } = message;
    mailbox.writing.set(id, { offset, sender, bytes: envelope.length, fate });
    const budget = this.#writer.books.budget(sender);
    work.count({ mailbox, budget, sign: 1, bytes: envelope.length, offset, id });
    const expiresMs = nowMs + Math.min(message.ttlMs, this.limits.ttlMsMax);
    const key = messageKey(mailbox.epoch, message.priority, offset);
    const value = encodeMessage({ ...message, storedMs: nowMs, expiresMs });
    const ownIdKey = idKey(mailbox.epoch, mailbox.generation, message.messageId);
    work.changes.push(
      { kind: 'put', table: tables.message, key, value },
      { kind: 'put', table: tables.id, key: ownIdKey, value: encodeNumbers(offset) },
    );
    return { kind: 'waits', offset, isNew: true, fate };
  }

  #known(mailbox: Mailbox, id: string, messageId: Uint8Array): Planned | undefined {
    const writing = mailbox.writing.get(id);
    if (writing !== undefined) return { kind: 'waits', isNew: false, offset: writing.offset, fate: writing.fate };
    const oldest = Math.max(mailbox.oldestGeneration, mailbox.generation - 1);
    for (let generation = mailbox.generation; generation >= oldest; generation -= 1) {
      const found = this.#writer.store.get(tables.id, idKey(mailbox.epoch, generation, messageId));
      if (found !== undefined) return { kind: 'stored', offset: decodeNumber(found, 0), isNew: false };
    }
    return undefined;
  }

  #refusal(mailbox: Mailbox, message: MessageToStore, nowMs: number, work: Work): StoreRefusal | null {
    const { limits } = this;
    const bytes = message.envelope.length;
    const isFull = () => mailbox.count >= limits.mailboxCountMax || mailbox.bytes + bytes > limits.mailboxBytesMax;
    if (isFull() && nowMs - mailbox.expiredMs >= expireEveryMs) {
      mailbox.expiredMs = nowMs;
      for (const row of this.#writer.rows(mailbox, { urgent: 0, normal: 0 })) {
        if (row.expiresMs <= nowMs) this.#writer.remove(work, mailbox, row);
      }
    }
    if (isFull()) return 'mailbox-full';
    const budget = this.#writer.books.budget(message.sender);
    const isSpent = budget.count >= limits.senderCountMax || budget.bytes + bytes > limits.senderBytesMax;
    return isSpent || this.#isShareSpent(mailbox, message.sender, bytes) ? 'sender-full' : null;
  }

  #isShareSpent(mailbox: Mailbox, sender: InboxId, bytes: number): boolean {
    const { mailboxSenderCountMax: countMax, mailboxSenderBytesMax: bytesMax } = this.limits;
    if (mailbox.count < countMax && mailbox.bytes + bytes <= bytesMax) {
      // Not at once: to count again costs a look through the mailbox.
      if (mailbox.count < countMax / 2 && mailbox.bytes < bytesMax / 2) mailbox.shares = null;
      return false;
    }
    mailbox.shares ??= this.#writer.sharesOf(mailbox);
    const share = mailbox.shares.get(sender) ?? { count: 0, bytes: 0 };
    return share.count >= countMax || share.bytes + bytes > bytesMax;
  }

  #turnGeneration(mailbox: Mailbox, nowMs: number): void {
    const isOld = nowMs - mailbox.generationSinceMs >= this.limits.dedupMs;
    if (mailbox.generationCount < this.limits.dedupCountMin && !isOld) return;
    mailbox.generation += 1;
    mailbox.generationCount = 0;
    mailbox.generationSinceMs = nowMs;
  }

  async read({ inbox, after, countMax, bytesMax }: ReadRequest): Promise<ReadResult> {
    this.#assertOpen();
    const mailbox = this.#writer.books.mailbox(inbox);
    if (mailbox === undefined || mailbox.isGone) return { epoch: null, messages: [] };
    const nowMs = this.#clock.now();
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const row of this.#writer.rows(mailbox, after)) {
      if (row.expiresMs <= nowMs || mailbox.removing.has(row.offset)) continue;
      bytes += row.envelope.length;
      if (messages.length > 0 && bytes > bytesMax) break;
      messages.push(row);
      if (messages.length >= countMax) break;
    }
    return { epoch: mailbox.epoch, messages };
  }

  async ack(acks: readonly MailboxAck[]): Promise<number> {
    this.#assertOpen();
    const work = this.#writer.newWork();
    let removed = 0;
    for (const { inbox, epoch, messages } of acks) {
      const mailbox = this.#writer.books.mailbox(inbox);
      if (mailbox === undefined || mailbox.isGone || mailbox.epoch !== epoch) continue;
      for (const { offset, priority } of messages) {
        const key = messageKey(epoch, priority, offset);
        const value = this.#writer.store.get(tables.message, key);
        if (value === undefined) continue;
        if (this.#writer.remove(work, mailbox, decodeMessage(key, value))) removed += 1;
      }
    }
    await this.#writer.writeRemovals(work);
    return removed;
  }

  async position(inbox: InboxId): Promise<MailboxPosition | null> {
    this.#assertOpen();
    const mailbox = this.#writer.books.mailbox(inbox);
    return mailbox === undefined || mailbox.isGone ? null : { epoch: mailbox.epoch, lastOffset: mailbox.lastOffset };
  }

  async claim(claims: readonly InboxClaim[]): Promise<readonly ClaimOutcome[]> {
    this.#assertOpen();
    return this.#claims.claim(claims);
  }

  async release(inbox: InboxId, owner: InboxId): Promise<boolean> {
    this.#assertOpen();
    return this.#claims.release(inbox, owner);
  }

  async claimOf(inbox: InboxId): Promise<InboxClaim | null> {
    this.#assertOpen();
    const mailbox = this.#writer.books.mailbox(inbox);
    return mailbox === undefined || mailbox.isGone || mailbox.claim.untilMs <= this.#clock.now() ? null : mailbox.claim;
  }

  watch(inbox: InboxId, handler: () => void): Disposable {
    return this.#writer.watchers.add(inbox, handler);
  }

  async stats(): Promise<EngineStats> {
    this.#assertOpen();
    return { mailboxes: this.#writer.store.count(tables.mailbox), ...this.#writer.totals };
  }

  async sweep(): Promise<number> {
    this.#assertOpen();
    return this.#sweeper.sweep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#writer.store[Symbol.asyncDispose]();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new EngineClosedError();
  }
}

function refused(code: StoreRefusal): StoreOutcome {
  return { kind: 'refused', code };
}
