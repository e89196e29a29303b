import type { Ticker } from '@pulsemesh/base';
import { startTicker } from '@pulsemesh/base/clock';
import { toHex } from '@pulsemesh/wire';
import type { InboxId } from '../inbox-id.ts';
import type { ReceiptContent } from '../wire/receive.ts';
import type { RefusedTarget } from '../wire/send.ts';
import { OutboxFullError, RelayClientClosedError, SendRefusedError } from './errors.ts';
import type { RelayClientEvents } from './events.ts';
import type { RelayClientLimits } from './limits.ts';
import { ReceiptWatch } from './receipt-watch.ts';
import { RelaySender } from './sender.ts';
import type { ClientDependencies, Outbox, OutboxEntry, SendReceipt } from './types.ts';

const tickMs = 5_000;

/** A message in the outbox and what the relays said about it. */
interface Tracked {
  readonly entry: OutboxEntry;
  /** Relays that have not answered yet. */
  readonly waitsFor: Set<string>;
  readonly storedFor: Set<InboxId>;
  lastCode: string;
  readonly stored: PromiseWithResolvers<void>;
}

/** Messages from the outbox to the relays: each stays in it until every relay it goes to has answered, or it expired. */
export class Outgoing {
  readonly #outbox: Outbox;
  readonly #limits: RelayClientLimits;
  readonly #events: RelayClientEvents;
  readonly #dependencies: ClientDependencies;
  readonly #onReceipt: (receipt: SendReceipt) => void;
  readonly #senders = new Map<string, RelaySender>();
  readonly #tracked = new Map<string, Tracked>();
  readonly #receipts: ReceiptWatch;
  readonly #ticker: Ticker;
  #bytes = 0;
  #isStopped = false;

  constructor(
    relays: readonly string[],
    outbox: Outbox,
    limits: RelayClientLimits,
    events: RelayClientEvents,
    onReceipt: (receipt: SendReceipt) => void,
    dependencies: ClientDependencies,
  ) {
    this.#outbox = outbox;
    this.#limits = limits;
    this.#events = events;
    this.#onReceipt = onReceipt;
    this.#dependencies = dependencies;
    this.#receipts = new ReceiptWatch(limits, events, dependencies.clock);
    for (const relay of relays) {
      const onAnswer = (entry: OutboxEntry, refused: readonly RefusedTarget[]) => this.#answered(relay, entry, refused);
      this.#senders.set(relay, new RelaySender(relay, limits, events, onAnswer, dependencies));
    }
    const tick = () => {
      this.#expire();
      this.#receipts.look();
    };
    this.#ticker = startTicker(dependencies.clock, tickMs, tick, () => {});
  }

  /** Sends what an earlier run left. */
  async restore(): Promise<void> {
    for (const entry of await this.#outbox.entries()) this.#track(entry);
  }

  sender(relay: string): RelaySender | undefined {
    return this.#senders.get(relay);
  }

  get count(): number {
    return this.#tracked.size;
  }

  /** Resolves once the outbox has it, with the promise of its being stored; one whose id it has already is not added. @throws {OutboxFullError}; what the outbox throws. */
  async send(entry: OutboxEntry): Promise<{ readonly stored: Promise<void> }> {
    if (this.#isStopped) throw new RelayClientClosedError();
    const known = this.#tracked.get(entry.messageId);
    if (known !== undefined) return { stored: known.stored.promise };
    const { outboxCountMax, outboxBytesMax } = this.#limits;
    if (this.#tracked.size >= outboxCountMax) throw new OutboxFullError('outboxCountMax');
    if (this.#bytes + entry.envelope.length > outboxBytesMax) throw new OutboxFullError('outboxBytesMax');
    // Its place is taken before it is durable, so that many at once do not pass the limit, and the order is that of the calls.
    const tracked = this.#reserve(entry);
    try {
      await this.#outbox.add(entry);
    } catch (error) {
      this.#forget(tracked);
      throw error;
    }
    this.#start(tracked);
    return { stored: tracked.stored.promise };
  }

  #track(entry: OutboxEntry): void {
    this.#start(this.#reserve(entry));
  }

  #reserve(entry: OutboxEntry): Tracked {
    const names = [...this.#senders.keys()];
    const wanted = entry.relays.length === 0 ? names : names.filter((name) => entry.relays.includes(name));
    const stored = Promise.withResolvers<void>();
    stored.promise.catch(() => {}); // receipts tell it too
    const waitsFor = new Set(wanted.length === 0 ? names : wanted);
    const tracked: Tracked = { entry, waitsFor, storedFor: new Set(), lastCode: '', stored };
    this.#tracked.set(entry.messageId, tracked);
    this.#bytes += entry.envelope.length;
    this.#events.outbox(this.#tracked.size);
    return tracked;
  }

  #start({ entry, waitsFor }: Tracked): void {
    if (this.#isStopped) return;
    for (const relay of waitsFor) this.#senders.get(relay)?.add(entry);
  }

  #answered(relay: string, entry: OutboxEntry, refused: readonly RefusedTarget[]): void {
    const tracked = this.#tracked.get(entry.messageId);
    if (tracked === undefined) return;
    const codes = new Map(refused.map(({ target, code }) => [target, code]));
    for (const [target, inbox] of entry.to.entries()) {
      const code = codes.get(target);
      if (code !== undefined) {
        tracked.lastCode = code;
        this.#events.sent(relay, code);
        continue;
      }
      this.#events.sent(relay, 'stored');
      tracked.storedFor.add(inbox);
      if (entry.receiptTo !== null) this.#receipts.stored(entry.messageId, inbox, relay);
      this.#onReceipt({ kind: 'stored', messageId: entry.messageId, inbox, relay, code: '' });
    }
    tracked.waitsFor.delete(relay);
    if (tracked.storedFor.size === entry.to.length) tracked.stored.resolve();
    if (tracked.waitsFor.size === 0) this.#finish(tracked, relay);
  }

  /** No relay has anything more to say. */
  #finish(tracked: Tracked, relay: string): void {
    const { entry, storedFor, lastCode, stored } = tracked;
    for (const inbox of entry.to) {
      if (storedFor.has(inbox)) continue;
      this.#onReceipt({ kind: 'refused', messageId: entry.messageId, inbox, relay, code: lastCode });
    }
    if (storedFor.size < entry.to.length) stored.reject(new SendRefusedError(lastCode));
    this.#forget(tracked);
    // What stays in the outbox because this fails is sent once more after a restart, and known by its id.
    this.#outbox.remove(entry.messageId).catch(() => {});
  }

  #forget({ entry }: Tracked): void {
    if (!this.#tracked.delete(entry.messageId)) return;
    this.#bytes -= entry.envelope.length;
    this.#events.outbox(this.#tracked.size);
  }

  #expire(): void {
    const nowMs = this.#dependencies.clock.now();
    for (const tracked of [...this.#tracked.values()]) {
      if (tracked.entry.expiresMs > nowMs) continue;
      tracked.lastCode = 'expired';
      this.#finish(tracked, '');
    }
  }

  /** A receipt that a relay delivered. */
  receipt(relay: string, { kind, inbox, messageId }: ReceiptContent): void {
    const text = toHex(messageId);
    if (kind === 'delivered') this.#receipts.delivered(text, inbox, relay);
    this.#onReceipt({ kind, messageId: text, inbox, relay, code: '' });
  }

  stop(): void {
    this.#isStopped = true;
    this.#ticker.stop();
    for (const sender of this.#senders.values()) sender.stop();
    for (const { stored } of this.#tracked.values()) stored.reject(new RelayClientClosedError());
  }
}
