import { assert, Condition, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { concatBytes } from '@pulsemesh/wire';
import { StreamClosedError } from '../errors.ts';
import { Fifo } from './fifo.ts';
import { sessionConstants } from './limits.ts';
import type { StreamHost } from './stream-host.ts';

/** The stream must be reset for this: the other end broke a limit. */
export class StreamFault extends Condition {
  override readonly name = 'StreamFault';
}

/** A message that waits. `counted`: those of its bytes whose credit went back before it was whole; others are bounded by the credit they keep. */
interface Waiting {
  readonly message: Uint8Array;
  readonly cost: number;
  readonly counted: number;
}

/**
 * One direction of a stream as its receiver sees it: parts become messages, messages wait for the reader, and what was read gives
 * credit back. The parts of one message give it back early, but only while nothing waits: so a reader that does not read, or
 * holds, is sent no more than one message and the credit.
 */
export class StreamInbound {
  readonly #host: StreamHost;
  readonly #giveCredit: (bytes: number) => void;
  /** What the sender may still send. */
  #window: number;
  #owed = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** Credit that the parts used and that was not given back yet. */
  #partsCost = 0;
  /** Credit of the parts that was given back early. */
  #partsGiven = 0;
  readonly #queue = new Fifo<Waiting>();
  #waiting: PromiseWithResolvers<Uint8Array | null>[] = [];
  #consumer: ((message: Uint8Array | null) => void) | null = null;
  #onBroken: ((reason: Condition) => void) | null = null;
  #isHeld = false;
  readonly #held = new Fifo<{ readonly bytes: number; readonly cost: number; readonly counted: number }>();
  #releasedBytes = 0;
  /** Of this stream, in what the session holds of long messages. */
  #countedBytes = 0;
  #isForgotten = false;
  #isEnded = false;
  #broken: Condition | null = null;

  constructor(host: StreamHost, giveCredit: (bytes: number) => void) {
    this.#host = host;
    this.#giveCredit = giveCredit;
    this.#window = host.streamCreditBytes;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** @throws {StreamFault} when the sender broke a limit. */
  take(payload: Uint8Array, more: boolean): void {
    if (this.#isEnded || this.#broken !== null) return;
    const cost = payload.length + sessionConstants.itemCostBytes;
    this.#window -= cost;
    if (this.#window < 0) throw new StreamFault('credit-exceeded', 'more was sent than there was credit for');
    if (!more && this.#parts.length === 0) this.#deliver({ message: payload, cost, counted: 0 });
    else this.#assemble(payload, cost, more);
  }

  #assemble(payload: Uint8Array, cost: number, more: boolean): void {
    this.#parts.push(payload);
    this.#partsBytes += payload.length;
    this.#partsCost += cost;
    if (this.#partsBytes > this.#host.messageBytesMax) {
      throw new StreamFault('message-too-large', 'a message longer than this end takes');
    }
    if (!this.#count(payload.length)) {
      throw new StreamFault('busy', 'too many long messages at once', { retryable: true });
    }
    if (!more) {
      const message = concatBytes(...this.#parts);
      const cost = this.#partsCost;
      const counted = Math.min(this.#partsGiven, message.length);
      this.#partsBytes -= counted;
      this.#dropParts();
      this.#deliver({ message, cost, counted });
    } else this.#oweForParts();
  }

  /** A message longer than the credit could never arrive if only whole ones gave it back. */
  #oweForParts(): void {
    const hasWaiting = this.#queue.length + this.#held.length > 0;
    if (hasWaiting || this.#partsCost < sessionConstants.creditPortionBytes) return;
    const cost = this.#partsCost;
    this.#partsCost = 0;
    this.#partsGiven += cost;
    this.#owe(cost);
  }

  #dropParts(): void {
    this.#count(-this.#partsBytes);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#partsCost = 0;
    this.#partsGiven = 0;
  }

  /** False: the session holds too much. */
  #count(bytes: number): boolean {
    if (this.#isForgotten) return true;
    this.#countedBytes += bytes;
    return this.#host.assemble(bytes);
  }

  /** The stream is over: what its reader still holds is the reader's. */
  forgotten(): void {
    this.#count(-this.#countedBytes);
    this.#isForgotten = true;
  }

  #deliver(waiting: Waiting): void {
    if (this.#consumer !== null) {
      this.#consumed(waiting);
      this.#consumer(waiting.message);
      return;
    }
    const waiter = this.#waiting.shift();
    if (waiter === undefined) {
      this.#queue.push(waiting);
      return;
    }
    this.#done(waiting);
    waiter.resolve(waiting.message);
  }

  #consumed({ message, cost, counted }: Waiting): void {
    if (this.#isHeld) this.#held.push({ bytes: message.length, cost, counted });
    else this.#done({ cost, counted });
  }

  #done({ cost, counted }: { readonly cost: number; readonly counted: number }): void {
    this.#count(-counted);
    this.#owe(cost);
    this.#oweForParts();
  }

  #owe(cost: number): void {
    this.#owed += cost;
    if (this.#owed < sessionConstants.creditPortionBytes || this.#isEnded || this.#broken !== null) return;
    const bytes = this.#owed;
    this.#owed = 0;
    this.#window += bytes;
    this.#giveCredit(bytes);
  }

  /** The sender sends no more. */
  ended(): void {
    if (this.#isEnded || this.#broken !== null) return;
    this.#isEnded = true;
    this.#dropParts();
    for (const waiter of this.#waiting.splice(0)) waiter.resolve(null);
    this.#consumer?.(null);
  }

  /** The stream broke: readers learn why; with `isOwn`, because this side aborted it, so that its consumer knows already. */
  broke(reason: Condition, isOwn: boolean): void {
    if (this.#broken !== null) return;
    this.#broken = reason;
    this.#dropParts();
    // What came whole, to its end, stays readable.
    if (!this.#isEnded) this.#queue.clear();
    this.#held.clear();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason);
    const tell = this.#onBroken;
    this.#consumer = null;
    this.#onBroken = null;
    if (!isOwn) tell?.(reason);
  }

  async receive(options: WaitOptions): Promise<Uint8Array | null> {
    options.signal?.throwIfAborted();
    assert(this.#consumer === null, 'receive and consume are not mixed');
    const next = this.#queue.shift();
    if (next !== undefined) {
      this.#done(next);
      return next.message;
    }
    if (this.#isEnded) return null;
    if (this.#broken !== null) throw this.#broken;
    if (this.#waiting.length >= sessionConstants.pingsMax) throw new StreamClosedError();
    const waiter = Promise.withResolvers<Uint8Array | null>();
    this.#waiting.push(waiter);
    try {
      return await raceSignal(waiter.promise, options.signal);
    } finally {
      const index = this.#waiting.indexOf(waiter);
      if (index >= 0) this.#waiting.splice(index, 1);
    }
  }

  consume(handler: (message: Uint8Array | null) => void, onBroken: (reason: Condition) => void): void {
    assert(this.#waiting.length === 0, 'receive and consume are not mixed');
    if (this.#broken !== null) {
      onBroken(this.#broken);
      return;
    }
    this.#consumer = handler;
    this.#onBroken = onBroken;
    while (this.#consumer !== null) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#consumed(next);
      handler(next.message);
    }
    if (this.#isEnded && this.#consumer !== null) handler(null);
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(bytes: number): void {
    this.#releasedBytes += bytes;
    for (;;) {
      const oldest = this.#held.peek();
      if (oldest === undefined || oldest.bytes > this.#releasedBytes) return;
      this.#releasedBytes -= oldest.bytes;
      this.#held.shift();
      this.#done(oldest);
    }
  }
}
