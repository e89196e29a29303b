import { errorCode } from '@pulsemesh/base/errors';
import { decodeReceipt, type ReceiptContent } from '../wire/receive.ts';
import type { RelayClientEvents } from './events.ts';
import type { RelayClientLimits } from './limits.ts';
import type { Arrival } from './receiver.ts';
import { Retry } from './retry.ts';
import type { ClientDependencies, InboxState, RawMessage } from './types.ts';

/** What a handler may say besides: `marked`, or anything else once the effect is there. */
export interface DoneLater {
  /** It has no effect and gets no mark. Acknowledged when this resolves; if it rejects, it comes again on the next session. */
  readonly doneWhen: Promise<void>;
}

/** It stays at the relay until something of the same sender is read. */
export interface Held {
  readonly heldFor: string;
}

/** What is held for this sender is read before it. */
export interface AfterHeld {
  readonly afterHeldFor: string;
}

export type RawHandler<Mark> = (message: RawMessage, mark: Mark) => Promise<unknown>;

/** What is done with receipts. */
export interface ReceiptUse {
  /** At once. */
  onReceipt(relay: string, receipt: ReceiptContent): void;
  /** After all messages that came before it, and before it is acknowledged; null: not wanted now. */
  readonly settle: ((relay: string, receipt: ReceiptContent) => void) | null;
}

/**
 * Gives each message to the handler once, one after the other, whichever relays deliver it and however often, and lets the relays
 * forget it when its effect and its mark are durable.
 */
export class Deliveries<Mark> {
  readonly #state: InboxState<Mark>;
  readonly #limits: RelayClientLimits;
  readonly #events: RelayClientEvents;
  readonly #dependencies: ClientDependencies;
  readonly #receipts: ReceiptUse;
  /** Bounded by what the relays may have under way. */
  #arrived: Arrival[] = [];
  /** By sender; not acknowledged. Bounded by the limits for strangers. */
  readonly #held = new Map<string, Arrival[]>();
  #heldCount = 0;
  #heldBytes = 0;
  #handler: RawHandler<Mark> | null = null;
  #isRunning = false;
  #isStopped = false;

  constructor(
    state: InboxState<Mark>,
    limits: RelayClientLimits,
    events: RelayClientEvents,
    receipts: ReceiptUse,
    dependencies: ClientDependencies,
  ) {
    this.#state = state;
    this.#limits = limits;
    this.#events = events;
    this.#receipts = receipts;
    this.#dependencies = dependencies;
  }

  handle(handler: RawHandler<Mark>): void {
    this.#handler = handler;
    this.#run();
  }

  add(arrival: Arrival): void {
    if (arrival.delivery.kind === 'receipt') this.#takeReceipt(arrival);
    else {
      this.#arrived.push(arrival);
      this.#run();
    }
  }

  /** A session is over: what came by it and is not begun comes again. */
  drop(relay: string): void {
    this.#arrived = this.#arrived.filter((arrival) => arrival.relay !== relay);
    for (const sender of [...this.#held.keys()]) {
      for (const arrival of this.#takeHeld(sender)) if (arrival.relay !== relay) this.#hold(sender, arrival);
    }
  }

  /** True where one more of this sender can be held. */
  hasRoomFor(sender: string, bytes: number): boolean {
    const { strangersCountMax, strangersBytesMax, strangersPerSenderMax } = this.#limits;
    if ((this.#held.get(sender)?.length ?? 0) >= strangersPerSenderMax) return false;
    return this.#heldCount < strangersCountMax && this.#heldBytes + bytes <= strangersBytesMax;
  }

  hasHeldFor(sender: string): boolean {
    return this.#held.has(sender);
  }

  #hold(sender: string, arrival: Arrival): void {
    this.#held.set(sender, [...(this.#held.get(sender) ?? []), arrival]);
    this.#heldCount += 1;
    this.#heldBytes += arrival.delivery.envelope.length;
  }

  #takeHeld(sender: string): readonly Arrival[] {
    const held = this.#held.get(sender) ?? [];
    this.#held.delete(sender);
    this.#heldCount -= held.length;
    for (const { delivery } of held) this.#heldBytes -= delivery.envelope.length;
    return held;
  }

  stop(): void {
    this.#isStopped = true;
    this.#arrived = [];
    for (const sender of [...this.#held.keys()]) this.#takeHeld(sender);
  }

  #takeReceipt(arrival: Arrival): void {
    const { relay, delivery, done } = arrival;
    this.#events.received(relay, 'receipt');
    const receipt = receiptOf(delivery.envelope);
    if (receipt !== null) this.#receipts.onReceipt(relay, receipt);
    if (receipt === null || this.#receipts.settle === null || this.#handler === null) {
      done();
      return;
    }
    this.#arrived.push(arrival);
    this.#run();
  }

  #run(): void {
    if (this.#isRunning || this.#handler === null) return;
    this.#isRunning = true;
    void this.#work(this.#handler).finally(() => {
      this.#isRunning = false;
      if (this.#arrived.length > 0) this.#run();
    });
  }

  async #work(handler: RawHandler<Mark>): Promise<void> {
    for (let arrival = this.#arrived.shift(); arrival !== undefined; arrival = this.#arrived.shift()) {
      if (this.#isStopped) return;
      if (arrival.delivery.kind === 'receipt') {
        this.#settle(arrival);
        continue;
      }
      try {
        await this.#handleOne(handler, arrival);
      } catch (error) {
        // Not acknowledged: the relay delivers it again on the next session.
        this.#events.received(arrival.relay, 'failed');
        this.#events.handlerFailed(errorCode(error));
      }
    }
  }

  #settle({ relay, delivery, done }: Arrival): void {
    const receipt = receiptOf(delivery.envelope);
    if (receipt !== null) this.#receipts.settle?.(relay, receipt);
    done();
  }

  async #handleOne(handler: RawHandler<Mark>, arrival: Arrival): Promise<void> {
    const { relay, delivery } = arrival;
    const { messageId } = delivery;
    if (await this.#state.isDone(messageId)) {
      this.#events.received(relay, 'repeated');
      arrival.done();
      return;
    }
    const message = rawMessageOf(arrival);
    const { handlerAttemptsMax, retryMsMin, retryMsMax } = this.#limits;
    const retry = new Retry(retryMsMin, retryMsMax, this.#dependencies);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const mark = this.#state.markOf(messageId);
        const outcome = await handler(message, mark);
        if (has(outcome, 'heldFor')) {
          this.#hold(outcome.heldFor, arrival);
          return;
        }
        if (has(outcome, 'afterHeldFor')) {
          this.#arrived.unshift(...this.#takeHeld(outcome.afterHeldFor), arrival);
          return;
        }
        if (has(outcome, 'doneWhen')) {
          this.#events.received(relay, 'unopened');
          outcome.doneWhen.then(arrival.done, () => {});
          return;
        }
        // What did not open leaves no mark: else one relay could hide the true message by giving something else under its id.
        if (outcome !== 'marked' && outcome !== 'unopened') await this.#state.write(mark);
        this.#events.received(relay, outcome === 'unopened' ? 'unopened' : 'done');
        arrival.done();
        return;
      } catch (error) {
        if (attempt >= handlerAttemptsMax || this.#isStopped) throw error;
        this.#events.handlerFailed(errorCode(error));
        await new Promise<void>((resolve) => retry.later(resolve));
      }
    }
  }
}

type Outcome = DoneLater & Held & AfterHeld;

function has<Key extends keyof Outcome>(outcome: unknown, key: Key): outcome is Pick<Outcome, Key> {
  return typeof outcome === 'object' && outcome !== null && key in outcome;
}

/** Null where it is not a receipt as this client knows it: of no use here. */
function receiptOf(envelope: Uint8Array): ReceiptContent | null {
  try {
    return decodeReceipt(envelope);
  } catch {
    return null;
  }
}

function rawMessageOf({ relay, delivery, sendRead }: Arrival): RawMessage {
  const { inbox, messageId, envelope, priority, storedMs, receiptTo } = delivery;
  return {
    inbox,
    messageId,
    envelope,
    priority,
    storedMs,
    relay,
    read() {
      if (receiptTo !== null) sendRead({ inbox, messageId, receiptTo });
    },
  };
}
