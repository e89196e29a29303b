import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { Condition, errorMessage, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { encodeFrame, FrameDecoder, type PeerId } from '@pulsemesh/wire';
import { ChannelClosedError, FrameTooLargeError } from '../errors.ts';
import { FrameInbox } from '../frame-inbox.ts';
import type { Channel } from '../port.ts';

/** Bytes of whole frames held for a reader that does not read, above which the sender is held back. */
export const inboxBytesMax = 1024 * 1024;

/** Bytes of earlier frames that may wait for the stream's window when the next frame is taken. */
const waitingBytesMax = 256 * 1024;

/**
 * A channel over a libp2p stream (js-libp2p 3: events, `send` and `drain`). To be made in the very turn in which
 * the stream was got, so that no chunk is missed. A pause reaches the sender through yamux's window, which must
 * be smaller than the stream's read buffer: a stream that is paused and fed past its buffer is reset.
 */
export class StreamChannel implements Channel {
  readonly remote: PeerId;
  readonly #stream: Stream;
  readonly #frameBytesMax: number;
  readonly #inbox: FrameInbox;
  readonly #decoder: FrameDecoder;
  #isClosed = false;
  #brokenBy: Condition | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(stream: Stream, remote: PeerId, frameBytesMax: number) {
    this.remote = remote;
    this.#stream = stream;
    this.#frameBytesMax = frameBytesMax;
    this.#decoder = new FrameDecoder({ bytesMax: frameBytesMax });
    this.#inbox = new FrameInbox({
      highWaterBytes: inboxBytesMax,
      onPressure: (isHigh) => {
        // Pausing what is ending is refused by libp2p, and pointless.
        if (stream.status === 'open' || stream.status === 'closing')
          tryTo(() => (isHigh ? stream.pause() : stream.resume()));
      },
    });
    stream.addEventListener('message', (event: StreamMessageEvent) => this.#take(event.data.subarray()));
    stream.addEventListener('drain', () => this.#mayHaveDrained());
    stream.addEventListener('idle', () => this.#drainedBy());
    stream.addEventListener('end', () => this.#end());
    stream.addEventListener('close', (event: StreamCloseEvent) => this.#closed(event.error));
    if (stream.status === 'aborted' || stream.status === 'reset') this.#closed(new Error('the stream broke'));
  }

  async send(frame: Uint8Array, options: WaitOptions = {}): Promise<void> {
    if (this.#isClosed || this.#brokenBy !== undefined) throw new ChannelClosedError(this.#brokenBy);
    if (frame.byteLength > this.#frameBytesMax) throw new FrameTooLargeError(frame.byteLength, this.#frameBytesMax);
    try {
      this.#stream.send(encodeFrame(frame));
    } catch (error) {
      throw new ChannelClosedError(error);
    }
    if (this.#stream.writableNeedsDrain) await raceSignal(this.#untilDrained(), options.signal);
  }

  // The stream's own `onDrain` resolves at once from its second use on (@libp2p/utils 7.4).
  #untilDrained(): Promise<void> {
    if (this.#drained === undefined) {
      this.#drained = Promise.withResolvers<void>();
      this.#drained.promise.catch(() => {}); // whoever waited may have given up when the stream breaks
    }
    return this.#drained.promise;
  }

  // The connection below tells each stream of its own room, whether or not this one's window has any: what counts is
  // how much of what was sent before still waits, once the stream has tried again.
  #mayHaveDrained(): void {
    queueMicrotask(() => {
      if (this.#stream.writeBufferLength <= waitingBytesMax) this.#drainedBy();
    });
  }

  #drainedBy(error?: ChannelClosedError): void {
    if (error === undefined) this.#drained?.resolve();
    else this.#drained?.reject(error);
    this.#drained = undefined;
  }

  receive(options: WaitOptions = {}): Promise<Uint8Array | null> {
    return this.#inbox.receive(options);
  }

  async close(): Promise<void> {
    if (this.#isClosed || this.#brokenBy !== undefined) return;
    this.#isClosed = true;
    try {
      await this.#stream.close();
    } catch {
      // It broke before all was sent: the remote sees the break, and `close` promises not to throw.
    }
  }

  abort(reason: Condition): void {
    if (this.#brokenBy !== undefined) return;
    this.#brokenBy = reason;
    this.#inbox.break(reason);
    this.#stream.abort(reason);
  }

  #take(chunk: Uint8Array): void {
    // Plain arrays only: the transport's are Buffers, which copy and print differently.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    try {
      for (const frame of this.#decoder.push(bytes)) this.#inbox.push(frame);
    } catch (error) {
      this.abort(new Condition('bad-frame', 'the remote sent no frames', { cause: error }));
    }
  }

  #end(): void {
    // A break tells of the end first, and of itself at once after.
    if (this.#stream.status === 'reset' || this.#stream.status === 'aborted') return;
    if (this.#decoder.isAtBoundary) this.#inbox.end();
    else this.abort(new Condition('cut-frame', 'the channel ended inside a frame', { retryable: true }));
  }

  #closed(error: Error | undefined): void {
    this.#drainedBy(new ChannelClosedError(error));
    if (error === undefined) {
      this.#inbox.end();
      return;
    }
    this.#brokenBy ??= new Condition('stream-broke', errorMessage(error), { retryable: true, cause: error });
    this.#inbox.break(this.#brokenBy);
  }
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // the stream ended in this very moment
  }
}
