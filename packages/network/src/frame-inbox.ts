import { type Condition, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { ChannelClosedError } from './errors.ts';

export interface FrameInboxOptions {
  /** Bytes held above which {@link FrameInboxOptions.onPressure} is told to pause. */
  readonly highWaterBytes: number;
  /** True: hold the sender back; false: half or less is held, go on. */
  readonly onPressure?: (isHigh: boolean) => void;
}

/**
 * The receiving end of a channel: frames in the order they came, the end, or the break. It never drops;
 * whoever feeds it pauses at the high-water mark, so it holds that mark and what was on its way.
 */
export class FrameInbox {
  readonly #options: FrameInboxOptions;
  #frames: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;
  #isHigh = false;
  #isEnded = false;
  #brokenBy: Condition | undefined;
  #waiters: PromiseWithResolvers<Uint8Array | null>[] = [];

  constructor(options: FrameInboxOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isClosed(): boolean {
    return this.#isEnded || this.#brokenBy !== undefined;
  }

  push(frame: Uint8Array): void {
    if (this.isClosed) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(frame);
      return;
    }
    this.#frames.push(frame);
    this.#bytes += frame.byteLength;
    if (!this.#isHigh && this.#bytes > this.#options.highWaterBytes) this.#setPressure(true);
  }

  /** The remote has sent its last frame: what is held can still be received, then null. */
  end(): void {
    if (this.isClosed) return;
    this.#isEnded = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(null);
  }

  /** What is held is lost, waiting receives reject. */
  break(reason: Condition): void {
    if (this.#brokenBy !== undefined) return;
    this.#brokenBy = reason;
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  /** @throws {ChannelClosedError} when broken; `signal.reason`. */
  async receive(options: WaitOptions = {}): Promise<Uint8Array | null> {
    const frame = this.#shift();
    if (frame !== undefined) return frame;
    if (this.#brokenBy !== undefined) throw new ChannelClosedError(this.#brokenBy);
    if (this.#isEnded) return null;
    const waiter = Promise.withResolvers<Uint8Array | null>();
    this.#waiters.push(waiter);
    try {
      return await raceSignal(waiter.promise, options.signal);
    } catch (error) {
      throw error === this.#brokenBy ? new ChannelClosedError(error) : error;
    } finally {
      const index = this.#waiters.indexOf(waiter);
      if (index >= 0) this.#waiters.splice(index, 1);
    }
  }

  #shift(): Uint8Array | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    this.#head += 1;
    this.#bytes -= frame.byteLength;
    // Compacting at half keeps both push and shift constant on average.
    if (this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    if (this.#isHigh && this.#bytes * 2 <= this.#options.highWaterBytes) this.#setPressure(false);
    return frame;
  }

  #setPressure(isHigh: boolean): void {
    this.#isHigh = isHigh;
    this.#options.onPressure?.(isHigh);
  }
}
