import { type Condition, errorCode } from '@pulsemesh/base';
import type { MailboxAck, MailboxEngine, MessageToStore, StoreOutcome } from '../engine.ts';
import type { RelayEvents } from './events.ts';
import type { RelayLimits } from './limits.ts';

/** Told what became of one message. */
export type OnStored = (code: string | null) => void;

interface Waiting {
  readonly message: MessageToStore;
  readonly onStored: OnStored;
}

/** What a message costs besides its envelope while it waits. */
const messageCostBytes = 256;

/**
 * Hands messages and acks to the engine in batches: what comes in one turn of the event loop, and while the engine is
 * busy, goes together. So the cost of a promise, a transaction and a flush is shared.
 */
export class Storing {
  readonly #engine: MailboxEngine;
  readonly #limits: RelayLimits;
  readonly #events: RelayEvents;
  readonly #onFailed: (error: Condition) => void;
  #waiting: Waiting[] = [];
  #acks: MailboxAck[] = [];
  #bytes = 0;
  #appending = 0;
  #isAcking = false;
  #isAsked = false;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(engine: MailboxEngine, limits: RelayLimits, events: RelayEvents, onFailed: (error: Condition) => void) {
    this.#engine = engine;
    this.#limits = limits;
    this.#events = events;
    this.#onFailed = onFailed;
  }

  /** `onStored` is told null once the message is durable, else the code of the refusal. Order is kept. */
  store(message: MessageToStore, onStored: OnStored): void {
    const bytes = message.envelope.length + messageCostBytes;
    if (this.#bytes + bytes > this.#limits.storingBytesMax) {
      this.#events.refused('busy');
      onStored('busy');
      return;
    }
    this.#bytes += bytes;
    this.#waiting.push({ message, onStored });
    this.#ask();
  }

  /** Removes what a reader has done with; what goes wrong is delivered again. */
  ack(ack: MailboxAck): void {
    this.#acks.push(ack);
    this.#ask();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    if (!this.#isBusy) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  get #isBusy(): boolean {
    return this.#waiting.length > 0 || this.#acks.length > 0 || this.#appending > 0 || this.#isAcking;
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#waiting.length > 0 && this.#appending < this.#limits.storingBatchesMax) {
      const batch = this.#waiting;
      this.#waiting = [];
      void this.#append(batch);
    }
    if (this.#acks.length > 0 && !this.#isAcking) {
      const acks = this.#acks;
      this.#acks = [];
      void this.#remove(acks);
    }
    if (!this.#isBusy) {
      this.#idle?.resolve();
      this.#idle = null;
    }
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    this.#appending += 1;
    try {
      const outcomes = await this.#engine.append(batch.map(({ message }) => message));
      this.#report(batch, outcomes);
    } catch (error) {
      this.#failed(error);
      // Whether it was stored is not known: the sender asks again with the same id. What it sent since must not be there before.
      const behind = this.#waiting;
      this.#waiting = [];
      this.#release(behind);
      for (const { onStored } of [...batch, ...behind]) onStored('busy');
    } finally {
      this.#appending -= 1;
      this.#release(batch);
      this.#ask();
    }
  }

  #release(waiting: readonly Waiting[]): void {
    for (const { message } of waiting) this.#bytes -= message.envelope.length + messageCostBytes;
  }

  #report(batch: readonly Waiting[], outcomes: readonly StoreOutcome[]): void {
    let stored = 0;
    let repeated = 0;
    for (const [index, { onStored }] of batch.entries()) {
      const outcome = outcomes[index] as StoreOutcome; // the engine answers each
      if (outcome.kind === 'refused') {
        this.#events.refused(outcome.code);
        onStored(outcome.code);
        continue;
      }
      if (outcome.isNew) stored += 1;
      else repeated += 1;
      onStored(null);
    }
    if (stored > 0) this.#events.stored(stored);
    if (repeated > 0) this.#events.repeated(repeated);
  }

  async #remove(acks: readonly MailboxAck[]): Promise<void> {
    this.#isAcking = true;
    try {
      this.#events.acknowledged(await this.#engine.ack(acks));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isAcking = false;
      this.#ask();
    }
  }

  #failed(error: unknown): void {
    if (isRetryable(error)) this.#events.engineTroubled(errorCode(error));
    else this.#onFailed(error as Condition); // whatever it is, it ends the relay
  }
}

/** True for conditions that pass; anything else means that the engine is to be given up. */
export function isRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}
