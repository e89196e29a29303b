import type { Clock, Condition, Timer } from '@pulsemesh/base';
import type { Carrier } from '../carrier.ts';
import type { CarrierStatus } from '../session.ts';
import { sessionConstants } from './limits.ts';

interface Ping {
  readonly number: number;
  sentMs: number | null;
  readonly resolve: (rttMs: number) => void;
  readonly reject: (reason: Condition) => void;
}

/** What a session knows of one of its carriers: whether data made a round trip on it, how long that took, and what is owed on it. */
export class CarrierSlot {
  readonly carrier: Carrier;
  isProven = false;
  isClosed = false;
  rttMs: number | null = null;
  /** The ping to answer, 0: none. */
  pongDue = 0;
  /** Anything that repeats on this carrier until it succeeded; cancelled with it. */
  retryTimer: Timer | null = null;
  /** Refusals since the last authentic packet: the agent's side only. */
  refusals = 0;
  refusalTimer: Timer | null = null;
  readonly #clock: Clock;
  #pings: Ping[] = [];
  #pingNumber = 0;
  #isPingDue = false;

  constructor(carrier: Carrier, clock: Clock) {
    this.carrier = carrier;
    this.#clock = clock;
  }

  /** Packets travel by hand: nothing is repeated soon, and silence says little. */
  get isByHand(): boolean {
    return this.carrier.transport === 'drop';
  }

  /** The measured round trip, or what is to be assumed until there is one. */
  get expectedRttMs(): number {
    return this.rttMs ?? (this.isByHand ? sessionConstants.dropRttMs : 0);
  }

  get isWritable(): boolean {
    return !this.isClosed && this.carrier.isWritable;
  }

  get hasDue(): boolean {
    return this.#isPingDue || this.pongDue !== 0;
  }

  /**
   * Asks for a round trip on the next batch of this carrier; resolves with milliseconds, rejects when the carrier is closed before.
   * Past `pingsMax` outstanding ones the oldest is given up as lost and shares the fate of the newest.
   */
  ping(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#pings.length >= sessionConstants.pingsMax) {
      const oldest = this.#pings.shift();
      if (oldest !== undefined) promise.then(oldest.resolve, oldest.reject);
    }
    this.#pingNumber += 1;
    this.#pings.push({ number: this.#pingNumber, sentMs: null, resolve, reject });
    this.#isPingDue = true;
    return promise;
  }

  /** The ping to write into a batch that is sent now; 0: none. */
  takePing(): number {
    if (!this.#isPingDue) return 0;
    this.#isPingDue = false;
    const nowMs = this.#clock.monotonicMs();
    for (const ping of this.#pings) ping.sentMs ??= nowMs;
    return this.#pingNumber;
  }

  takePong(): number {
    const number = this.pongDue;
    this.pongDue = 0;
    return number;
  }

  /** A pong came: true where it answers a ping of ours. The round trip is that of the newest ping it answers. */
  takeAnswer(number: number): boolean {
    const answered = this.#pings.filter((ping) => ping.number <= number && ping.sentMs !== null);
    const newest = answered.at(-1);
    if (newest === undefined || newest.sentMs === null) return false;
    this.#pings = this.#pings.filter((ping) => !answered.includes(ping));
    this.proven(this.#clock.monotonicMs() - newest.sentMs);
    for (const ping of answered) ping.resolve(this.rttMs ?? 0);
    return true;
  }

  /** Data made a round trip in `rttMs`. */
  proven(rttMs: number): void {
    this.isProven = true;
    this.rttMs = rttMs;
    this.stopRetrying();
  }

  stopRetrying(): void {
    this.retryTimer?.cancel();
    this.retryTimer = null;
  }

  /** Ends what waits on this carrier. */
  closed(reason: Condition): void {
    this.isClosed = true;
    this.stopRetrying();
    this.refusalTimer?.cancel();
    for (const ping of this.#pings.splice(0)) ping.reject(reason);
  }

  status(isActive: boolean): CarrierStatus {
    return {
      transport: this.carrier.transport,
      id: this.carrier.id,
      isActive,
      isProven: this.isProven,
      rttMs: this.rttMs,
      connection: this.carrier.connection,
    };
  }
}
