import { type Condition, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { LinkRemoteError, MessageTooLargeError, StreamClosedError, StreamFullError } from '../errors.ts';
import type { LinkParty, LinkStream } from '../session.ts';
import type { ResetItem } from '../wire/items.ts';
import { wireLimits } from '../wire/limits.ts';
import { Fifo } from './fifo.ts';
import { sessionConstants } from './limits.ts';
import type { StreamHost } from './stream-host.ts';
import { StreamFault, StreamInbound } from './stream-inbound.ts';

const { itemCostBytes, streamBufferBytesMax } = sessionConstants;

/** {@link LinkStream} over the items of a session. */
export class SessionStream implements LinkStream {
  readonly id: number;
  readonly method: string;
  readonly #host: StreamHost;
  readonly #inbound: StreamInbound;
  /** What the other end still takes. */
  #credit: number;
  readonly #queue = new Fifo<Uint8Array>();
  /** Bytes of the first queued message that were sent already. */
  #sentOfFirst = 0;
  #bufferedBytes = 0;
  #isRoomWanted = false;
  #onDrain: (() => void) | null = null;
  #roomWaiters: PromiseWithResolvers<void>[] = [];
  #isEndAsked = false;
  #isEndSent = false;
  #broken: Condition | null = null;

  constructor(id: number, method: string, host: StreamHost) {
    this.id = id;
    this.method = method;
    this.#host = host;
    this.#credit = host.streamCreditBytes;
    this.#inbound = new StreamInbound(host, (bytes) => host.push({ kind: 'credit', stream: id, bytes }));
  }

  get remote(): LinkParty {
    return this.#host.remote;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  async send(message: Uint8Array, options: WaitOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.write(message)) return;
    const waiter = Promise.withResolvers<void>();
    this.#roomWaiters.push(waiter);
    await raceSignal(waiter.promise, options.signal);
  }

  write(message: Uint8Array): boolean {
    if (this.#broken !== null || this.#isEndAsked) throw new StreamClosedError(this.#broken ?? undefined);
    const host = this.#host;
    const bytes = message.length;
    if (bytes > host.messageBytesMax) throw new MessageTooLargeError(bytes, host.messageBytesMax);
    if (this.#bufferedBytes >= streamBufferBytesMax) throw new StreamFullError(streamBufferBytesMax);
    const cost = bytes + itemCostBytes;
    if (this.#queue.length === 0 && cost <= this.#credit && bytes <= host.dataBytesMax && host.hasRoom) {
      this.#credit -= cost;
      host.push({ kind: 'data', stream: this.id, payload: message, more: false });
      if (host.hasRoom) return true;
    } else {
      this.#queue.push(message);
      this.#bufferedBytes += cost;
      this.pump();
      if (this.#queue.length === 0 && host.hasRoom) return true;
    }
    this.#isRoomWanted = true;
    host.waitForRoom(this);
    return false;
  }

  /** Sends what credit and room allow. Answers true when nothing waits any more. */
  pump(): boolean {
    const host = this.#host;
    for (;;) {
      const message = this.#queue.peek();
      if (message === undefined) break;
      if (!host.hasRoom) {
        host.waitForRoom(this);
        return false;
      }
      if (!this.#sendPart(message, host.dataBytesMax)) return false;
    }
    if (this.#broken !== null) return true;
    if (this.#isEndAsked) this.#sendEnd();
    if (!host.hasRoom) {
      if (this.#isRoomWanted) host.waitForRoom(this);
      return false;
    }
    if (this.#isRoomWanted) this.#tellRoom();
    return true;
  }

  #sendPart(message: Uint8Array, dataBytesMax: number): boolean {
    const bytes = Math.min(message.length - this.#sentOfFirst, dataBytesMax);
    const cost = bytes + itemCostBytes;
    if (cost > this.#credit) return false;
    this.#credit -= cost;
    const end = this.#sentOfFirst + bytes;
    const payload = message.subarray(this.#sentOfFirst, end);
    const more = end < message.length;
    this.#bufferedBytes -= more ? bytes : bytes + itemCostBytes;
    this.#sentOfFirst = more ? end : 0;
    if (!more) this.#queue.shift();
    this.#host.push({ kind: 'data', stream: this.id, payload, more });
    return true;
  }

  #tellRoom(): void {
    this.#isRoomWanted = false;
    for (const waiter of this.#roomWaiters.splice(0)) waiter.resolve();
    try {
      this.#onDrain?.();
    } catch (error) {
      this.abort(this.#host.handlerFailed(error));
    }
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler;
  }

  receive(options: WaitOptions = {}): Promise<Uint8Array | null> {
    return this.#inbound.receive(options);
  }

  consume(handler: (message: Uint8Array | null) => void, onBroken: (reason: Condition) => void): void {
    this.#inbound.consume(handler, onBroken);
  }

  hold(): void {
    this.#inbound.hold();
  }

  release(bytes: number): void {
    this.#inbound.release(bytes);
  }

  end(): void {
    if (this.#isEndAsked || this.#broken !== null) return;
    this.#isEndAsked = true;
    this.pump();
  }

  #sendEnd(): void {
    if (this.#isEndSent) return;
    this.#isEndSent = true;
    this.#host.push({ kind: 'end', stream: this.id });
    if (this.#inbound.isEnded) this.#host.forget(this);
  }

  abort(reason: Condition): void {
    if (this.#broken !== null || (this.#isEndSent && this.#inbound.isEnded)) return;
    this.#host.push({
      kind: 'reset',
      stream: this.id,
      code: reason.code.slice(0, wireLimits.codeBytesMax),
      text: reason.message.slice(0, wireLimits.textBytesMax / 3),
      isRetryable: reason.retryable,
    });
    this.#break(new StreamClosedError(reason), true);
  }

  /** Data came. */
  takeData(payload: Uint8Array, more: boolean): void {
    try {
      this.#inbound.take(payload, more);
    } catch (error) {
      const reason = error instanceof StreamFault ? error : this.#host.handlerFailed(error);
      this.#inbound.broke(reason, false);
      this.abort(reason);
    }
  }

  takeCredit(bytes: number): void {
    this.#credit += bytes;
    if (this.#queue.length > 0 || this.#isRoomWanted) this.pump();
  }

  takeEnd(): void {
    if (this.#broken !== null) return;
    try {
      this.#inbound.ended();
    } catch (error) {
      this.abort(this.#host.handlerFailed(error));
    }
    if (this.#isEndSent) this.#host.forget(this);
  }

  takeReset(item: ResetItem): void {
    this.#break(new LinkRemoteError(item.code, item.text, item.isRetryable), false);
  }

  /** The stream is none of the session's any more. */
  forgotten(): void {
    this.#inbound.forgotten();
  }

  /** The session is over. */
  lost(reason: Condition): void {
    this.#break(reason, false);
  }

  #break(reason: Condition, isOwn: boolean): void {
    if (this.#broken !== null) return;
    this.#broken = reason;
    this.#queue.clear();
    this.#bufferedBytes = 0;
    for (const waiter of this.#roomWaiters.splice(0)) waiter.reject(reason);
    this.#host.forget(this);
    try {
      this.#inbound.broke(reason, isOwn);
    } catch (error) {
      this.#host.handlerFailed(error);
    }
  }
}
