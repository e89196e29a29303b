import { Condition, raceSignal, type WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { ChannelClosedError, FrameTooLargeError } from './errors.ts';
import { FrameInbox } from './frame-inbox.ts';
import type { Channel } from './port.ts';

export interface ChannelPairOptions {
  /** Who holds the first end, and who the second. */
  readonly ends: readonly [PeerId, PeerId];
  readonly frameBytesMax: number;
  readonly highWaterBytes: number;
  /** Runs a delivery, later or at once, in the order of the calls from one end. Default: in a microtask. */
  readonly deliver?: (from: PeerId, action: () => void) => void;
  /** Told once when neither end will send any more. */
  readonly onEnded?: () => void;
}

/** Two joined ends of a channel inside this process: a peer's channel to itself, and the simulated network. */
export function createChannelPair(options: ChannelPairOptions): readonly [Channel, Channel] {
  const [one, other] = options.ends;
  const first = new PairedChannel(options, one, other);
  const second = new PairedChannel(options, other, one);
  first.join(second);
  second.join(first);
  return [first, second];
}

class PairedChannel implements Channel {
  readonly remote: PeerId;
  readonly #self: PeerId;
  readonly #options: ChannelPairOptions;
  readonly #inbox: FrameInbox;
  #twin: PairedChannel | undefined;
  #isClosed = false;
  #brokenBy: Condition | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(options: ChannelPairOptions, self: PeerId, remote: PeerId) {
    this.remote = remote;
    this.#self = self;
    this.#options = options;
    this.#inbox = new FrameInbox({
      highWaterBytes: options.highWaterBytes,
      onPressure: (isHigh) => this.#twin?.setPressure(isHigh),
    });
  }

  get hasEnded(): boolean {
    return this.#isClosed || this.#brokenBy !== undefined;
  }

  join(twin: PairedChannel): void {
    this.#twin = twin;
  }

  async send(frame: Uint8Array, wait: WaitOptions = {}): Promise<void> {
    if (this.hasEnded) throw new ChannelClosedError(this.#brokenBy);
    if (frame.byteLength > this.#options.frameBytesMax) {
      throw new FrameTooLargeError(frame.byteLength, this.#options.frameBytesMax);
    }
    // As a socket would, the receiver gets bytes of its own: the sender may reuse its buffer.
    const copy = frame.slice();
    this.#deliver(() => this.#twin?.arrive(copy));
    if (this.#room !== undefined) await raceSignal(this.#room.promise, wait.signal);
  }

  receive(wait: WaitOptions = {}): Promise<Uint8Array | null> {
    return this.#inbox.receive(wait);
  }

  async close(): Promise<void> {
    if (this.hasEnded) return;
    this.#isClosed = true;
    this.#deliver(() => this.#twin?.arriveEnd());
    if (this.#twin?.hasEnded) this.#options.onEnded?.();
  }

  abort(reason: Condition): void {
    if (this.#brokenBy !== undefined) return;
    this.break(reason);
    const remoteReason = new Condition('channel-aborted', 'the other side broke the channel', { retryable: true });
    this.#deliver(() => this.#twin?.break(remoteReason));
  }

  break(reason: Condition): void {
    if (this.#brokenBy !== undefined) return;
    const hadEnded = this.hasEnded;
    this.#brokenBy = reason;
    this.#inbox.break(reason);
    if (!hadEnded && this.#twin?.hasEnded) this.#options.onEnded?.();
    this.#settleRoom(new ChannelClosedError(reason));
  }

  arrive(frame: Uint8Array): void {
    this.#inbox.push(frame);
  }

  arriveEnd(): void {
    this.#inbox.end();
  }

  setPressure(isHigh: boolean): void {
    if (!isHigh) {
      this.#settleRoom();
      return;
    }
    this.#room ??= Promise.withResolvers<void>();
    this.#room.promise.catch(() => {}); // nobody may be waiting when the channel breaks
  }

  #settleRoom(error?: ChannelClosedError): void {
    if (error === undefined) this.#room?.resolve();
    else this.#room?.reject(error);
    this.#room = undefined;
  }

  #deliver(action: () => void): void {
    if (this.#options.deliver === undefined) queueMicrotask(action);
    else this.#options.deliver(this.#self, action);
  }
}
