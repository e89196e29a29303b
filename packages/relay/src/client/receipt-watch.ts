import type { Clock } from '@pulsemesh/base';
import type { InboxId } from '../inbox-id.ts';
import type { RelayClientEvents } from './events.ts';
import type { RelayClientLimits } from './limits.ts';

interface Watched {
  readonly storedBy: Set<string>;
  readonly deliveredBy: Set<string>;
  firstDeliveredMs: number | null;
}

/**
 * Notices a relay that says it stored a message and then does not deliver it, by the receipts of the other relays: the receiver
 * acknowledges at each relay what it is given there, so each owes a receipt.
 */
export class ReceiptWatch {
  readonly #limits: RelayClientLimits;
  readonly #events: RelayClientEvents;
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();

  constructor(limits: RelayClientLimits, events: RelayClientEvents, clock: Clock) {
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
  }

  stored(messageId: string, inbox: InboxId, relay: string): void {
    this.#of(messageId + inbox).storedBy.add(relay);
  }

  delivered(messageId: string, inbox: InboxId, relay: string): void {
    const watched = this.#watched.get(messageId + inbox);
    if (watched === undefined) return;
    watched.deliveredBy.add(relay);
    watched.firstDeliveredMs ??= this.#clock.monotonicMs();
  }

  #of(key: string): Watched {
    const known = this.#watched.get(key);
    if (known !== undefined) return known;
    if (this.#watched.size >= this.#limits.watchedReceiptsMax) {
      const [oldest] = this.#watched.keys();
      if (oldest !== undefined) this.#watched.delete(oldest);
    }
    const watched = { storedBy: new Set<string>(), deliveredBy: new Set<string>(), firstDeliveredMs: null };
    this.#watched.set(key, watched);
    return watched;
  }

  /** Names the relays whose receipts are overdue. */
  look(): void {
    const beforeMs = this.#clock.monotonicMs() - this.#limits.receiptGraceMs;
    for (const [key, { storedBy, deliveredBy, firstDeliveredMs }] of this.#watched) {
      if (firstDeliveredMs === null || firstDeliveredMs > beforeMs) continue;
      for (const relay of storedBy) if (!deliveredBy.has(relay)) this.#events.receiptMissing(relay);
      this.#watched.delete(key);
    }
  }
}
