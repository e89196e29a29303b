import type { Clock, Random } from '@pulsemesh/base';
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
} from '../../engine.ts';
import { EngineClosedError } from '../../errors.ts';
import type { InboxId } from '../../inbox-id.ts';
import { type EngineDependencies, type EngineOptions, resolveEngineLimits } from '../engine-options.ts';
import { Watchers } from '../watchers.ts';
import { type Entry, Lane } from './lane.ts';

export interface MemoryEngineOptions extends EngineOptions {
  /** Envelopes of all mailboxes together; then `relay-full`. Default 1 GiB. */
  readonly bytesMax?: number;
}

/**
 * Mailboxes in memory: for tests, simulation and relays whose senders keep what is not delivered. Nothing outlives the
 * object; a new one has new epochs, so that readers notice.
 */
export function createMemoryEngine(options: MemoryEngineOptions, dependencies: EngineDependencies): MailboxEngine {
  return new MemoryEngine(options, dependencies);
}

interface Mailbox {
  readonly epoch: string;
  claim: InboxClaim;
  lastOffset: number;
  readonly urgent: Lane;
  readonly normal: Lane;
  bytes: number;
  /** What each sender has in it. */
  readonly shares: Map<InboxId, Budget>;
  /** Ids stored lately, and the generation before: a full or old one is dropped whole. */
  ids: Map<string, number>;
  olderIds: Map<string, number>;
  idsSinceMs: number;
  /** When expired messages were last looked for because it was full. */
  expiredMs: number;
}

interface Budget {
  count: number;
  bytes: number;
}

const sweepMailboxesMax = 1000;
/** Looking through a full mailbox for expired messages costs; a flood must not pay for it with each message. */
const expireEveryMs = 1000;

class MemoryEngine implements MailboxEngine {
  readonly name = 'memory';
  readonly limits: EngineLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #bytesMax: number;
  readonly #mailboxes = new Map<InboxId, Mailbox>();
  readonly #budgets = new Map<InboxId, Budget>();
  readonly #owned = new Map<InboxId, Set<InboxId>>();
  readonly #watchers = new Watchers();
  #messages = 0;
  #bytes = 0;
  #isClosed = false;
  #swept: InboxId[] = [];

  constructor(options: MemoryEngineOptions, { clock, random }: EngineDependencies) {
    this.limits = resolveEngineLimits(options.limits);
    this.#bytesMax = options.bytesMax ?? 1024 ** 3;
    this.#clock = clock;
    this.#random = random;
  }

  async append(batch: readonly MessageToStore[]): Promise<readonly StoreOutcome[]> {
    this.#assertOpen();
    const woken = new Set<InboxId>();
    const nowMs = this.#clock.now();
    const outcomes = batch.map((message) => this.#appendOne(message, nowMs, woken));
    for (const inbox of woken) this.#watchers.wake(inbox);
    return outcomes;
  }

  #appendOne(message: MessageToStore, nowMs: number, woken: Set<InboxId>): StoreOutcome {
    const mailbox = this.#mailboxes.get(message.inbox);
    if (mailbox === undefined || mailbox.claim.untilMs <= nowMs) return refused('no-such-inbox');
    if (message.envelope.length > this.limits.envelopeBytesMax) return refused('too-large');
    const id = toHex(message.messageId);
    const known = mailbox.ids.get(id) ?? mailbox.olderIds.get(id);
    if (known !== undefined) return { kind: 'stored', offset: known, isNew: false };
    const bytes = message.envelope.length;
    const budget = this.#budgets.get(message.sender) ?? { count: 0, bytes: 0 };
    const { limits } = this;
    if (!hasRoom(mailbox, bytes, limits) && nowMs - mailbox.expiredMs >= expireEveryMs) {
      mailbox.expiredMs = nowMs;
      this.#expire(mailbox, nowMs);
    }
    if (!hasRoom(mailbox, bytes, limits)) return refused('mailbox-full');
    if (isSpent(budget, bytes, limits) || isShareSpent(mailbox.shares.get(message.sender), bytes, limits)) {
      return refused('sender-full');
    }
    if (this.#bytes + bytes > this.#bytesMax) return refused('relay-full');
    this.#remember(mailbox, id, nowMs);
    this.#budgets.set(message.sender, budget);
    this.#count(mailbox, message.sender, budget, 1, bytes);
    mailbox[message.priority].push({
      offset: mailbox.lastOffset,
      priority: message.priority,
      kind: message.kind,
      messageId: message.messageId.slice(),
      // A copy: what came in is a view of something larger.
      envelope: message.envelope.slice(),
      storedMs: nowMs,
      expiresMs: nowMs + Math.min(message.ttlMs, limits.ttlMsMax),
      sender: message.sender,
      receiptTo: message.receiptTo,
    });
    woken.add(message.inbox);
    return { kind: 'stored', offset: mailbox.lastOffset, isNew: true };
  }

  #remember(mailbox: Mailbox, id: string, nowMs: number): void {
    if (mailbox.ids.size >= this.limits.dedupCountMin || nowMs - mailbox.idsSinceMs >= this.limits.dedupMs) {
      mailbox.olderIds = mailbox.ids;
      mailbox.ids = new Map();
      mailbox.idsSinceMs = nowMs;
    }
    mailbox.lastOffset += 1;
    mailbox.ids.set(id, mailbox.lastOffset);
  }

  #count(mailbox: Mailbox, sender: InboxId, budget: Budget, count: 1 | -1, bytes: number): void {
    mailbox.bytes += bytes;
    const share = mailbox.shares.get(sender) ?? { count: 0, bytes: 0 };
    mailbox.shares.set(sender, { count: share.count + count, bytes: share.bytes + bytes });
    if (share.count + count === 0) mailbox.shares.delete(sender);
    budget.bytes += bytes;
    budget.count += count;
    this.#bytes += bytes;
    this.#messages += count;
    if (budget.count === 0) this.#budgets.delete(sender);
  }

  async read({ inbox, after, countMax, bytesMax }: ReadRequest): Promise<ReadResult> {
    this.#assertOpen();
    const mailbox = this.#mailboxes.get(inbox);
    if (mailbox === undefined) return { epoch: null, messages: [] };
    const nowMs = this.#clock.now();
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const priority of ['urgent', 'normal'] as const) {
      for (const entry of mailbox[priority].after(after[priority])) {
        if (entry.expiresMs <= nowMs) continue;
        bytes += entry.envelope.length;
        if (messages.length >= countMax || (messages.length > 0 && bytes > bytesMax)) {
          return { epoch: mailbox.epoch, messages };
        }
        messages.push(entry);
      }
    }
    return { epoch: mailbox.epoch, messages };
  }

  async ack(acks: readonly MailboxAck[]): Promise<number> {
    this.#assertOpen();
    let removed = 0;
    for (const { inbox, epoch, messages } of acks) {
      const mailbox = this.#mailboxes.get(inbox);
      if (mailbox === undefined || mailbox.epoch !== epoch) continue;
      for (const { offset, priority } of messages) {
        const entry = mailbox[priority].remove(offset);
        if (entry === undefined) continue;
        this.#forget(mailbox, entry);
        removed += 1;
      }
    }
    return removed;
  }

  #forget(mailbox: Mailbox, entry: Entry): void {
    const budget = this.#budgets.get(entry.sender) as Budget; // there as long as an entry counts against it
    this.#count(mailbox, entry.sender, budget, -1, -entry.envelope.length);
  }

  async position(inbox: InboxId): Promise<MailboxPosition | null> {
    this.#assertOpen();
    const mailbox = this.#mailboxes.get(inbox);
    return mailbox === undefined ? null : { epoch: mailbox.epoch, lastOffset: mailbox.lastOffset };
  }

  async claim(claims: readonly InboxClaim[]): Promise<readonly ClaimOutcome[]> {
    this.#assertOpen();
    const nowMs = this.#clock.now();
    return claims.map((claim) => this.#claimOne(claim, nowMs));
  }

  #claimOne(claim: InboxClaim, nowMs: number): ClaimOutcome {
    const mailbox = this.#mailboxes.get(claim.inbox);
    if (mailbox !== undefined && mailbox.claim.owner === claim.owner) {
      mailbox.claim = claim;
      return 'claimed';
    }
    if (mailbox !== undefined && mailbox.claim.untilMs > nowMs) return 'taken';
    const owned = this.#owned.get(claim.owner) ?? new Set();
    if (owned.size >= this.limits.claimsPerOwnerMax) return 'too-many';
    // What the last owner left is not the next one's.
    if (mailbox !== undefined) this.#drop(claim.inbox, mailbox);
    this.#owned.set(claim.owner, owned.add(claim.inbox));
    this.#mailboxes.set(claim.inbox, {
      epoch: toHex(this.#random.bytes(8)),
      claim,
      lastOffset: 0,
      urgent: new Lane(),
      normal: new Lane(),
      bytes: 0,
      shares: new Map(),
      ids: new Map(),
      olderIds: new Map(),
      idsSinceMs: nowMs,
      expiredMs: Number.NEGATIVE_INFINITY,
    });
    return 'claimed';
  }

  async release(inbox: InboxId, owner: InboxId): Promise<boolean> {
    this.#assertOpen();
    const mailbox = this.#mailboxes.get(inbox);
    if (mailbox === undefined || mailbox.claim.owner !== owner) return false;
    this.#drop(inbox, mailbox);
    return true;
  }

  #drop(inbox: InboxId, mailbox: Mailbox): void {
    this.#expire(mailbox, Number.POSITIVE_INFINITY);
    this.#mailboxes.delete(inbox);
    const owned = this.#owned.get(mailbox.claim.owner);
    owned?.delete(inbox);
    if (owned?.size === 0) this.#owned.delete(mailbox.claim.owner);
  }

  async claimOf(inbox: InboxId): Promise<InboxClaim | null> {
    this.#assertOpen();
    const claim = this.#mailboxes.get(inbox)?.claim;
    return claim === undefined || claim.untilMs <= this.#clock.now() ? null : claim;
  }

  watch(inbox: InboxId, handler: () => void): Disposable {
    return this.#watchers.add(inbox, handler);
  }

  async stats(): Promise<EngineStats> {
    return { mailboxes: this.#mailboxes.size, messages: this.#messages, bytes: this.#bytes };
  }

  async sweep(): Promise<number> {
    this.#assertOpen();
    const nowMs = this.#clock.now();
    if (this.#swept.length === 0) this.#swept = [...this.#mailboxes.keys()];
    let removed = 0;
    for (const inbox of this.#swept.splice(-sweepMailboxesMax)) {
      const mailbox = this.#mailboxes.get(inbox);
      if (mailbox === undefined) continue;
      removed += this.#expire(mailbox, nowMs);
      if (nowMs - mailbox.idsSinceMs >= 2 * this.limits.dedupMs) {
        mailbox.olderIds = new Map();
        mailbox.ids = new Map();
      }
      if (mailbox.claim.untilMs <= nowMs && mailbox.urgent.size + mailbox.normal.size === 0) {
        this.#drop(inbox, mailbox);
        removed += 1;
      }
    }
    return removed;
  }

  #expire(mailbox: Mailbox, nowMs: number): number {
    let removed = 0;
    for (const lane of [mailbox.urgent, mailbox.normal]) {
      const expired = [...lane.after(0)].filter(({ expiresMs }) => expiresMs <= nowMs);
      for (const entry of expired) {
        lane.remove(entry.offset);
        this.#forget(mailbox, entry);
      }
      removed += expired.length;
    }
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new EngineClosedError();
  }
}

function isSpent(budget: Budget, bytes: number, limits: EngineLimits): boolean {
  return budget.count >= limits.senderCountMax || budget.bytes + bytes > limits.senderBytesMax;
}

function isShareSpent(share: Budget | undefined, bytes: number, limits: EngineLimits): boolean {
  const { count, bytes: used } = share ?? { count: 0, bytes: 0 };
  return count >= limits.mailboxSenderCountMax || used + bytes > limits.mailboxSenderBytesMax;
}

function hasRoom(mailbox: Mailbox, bytes: number, limits: EngineLimits): boolean {
  const count = mailbox.urgent.size + mailbox.normal.size;
  return count < limits.mailboxCountMax && mailbox.bytes + bytes <= limits.mailboxBytesMax;
}

function refused(code: Extract<StoreOutcome, { kind: 'refused' }>['code']): StoreOutcome {
  return { kind: 'refused', code };
}
