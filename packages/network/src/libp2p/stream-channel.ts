import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { Condition, errorMessage, type WaitOptions } from '@pulsemesh/base';
import { encodeFrame, FrameDecoder, type PeerId } from '@pulsemesh/wire';
import { ChannelClosedError, FrameTooLargeError } from '../errors.ts';
import { FrameInbox } from '../frame-inbox.ts';
import type { Channel } from '../port.ts';

/** Bytes of whole frames held for a reader that does not read, above which the sender is held back. */
export const inboxBytesMax = 1024 * 1024;

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
    stream.addEventListener('end', () => this.#end());
    stream.addEventListener('close', (event: StreamCloseEvent) => this.#closed(event.error));
    if (stream.status === 'aborted' || stream.status === 'reset') this.#closed(new Error('the stream broke'));
  }

  async send(frame: Uint8Array, options: WaitOptions = {}): Promise<void> {
    if (this.#isClosed || this.#brokenBy !== undefined) throw new ChannelClosedError(this.#brokenBy);
    if (frame.byteLength > this.#frameBytesMax) throw new FrameTooLargeError(frame.byteLength, this.#frameBytesMax);
    try {
      if (this.#stream.send(encodeFrame(frame))) return;
      await this.#stream.onDrain({ ...(options.signal === undefined ? {} : { signal: options.signal }) });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new ChannelClosedError(error);
    }
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
    try {
      for (const frame of this.#decoder.push(chunk)) this.#inbox.push(frame);
    } catch (error) {
      this.abort(new Condition('bad-frame', 'the remote sent no frames', { cause: error }));
    }
  }

  #end(): void {
    if (this.#decoder.isAtBoundary) this.#inbox.end();
    else this.abort(new Condition('cut-frame', 'the channel ended inside a frame', { retryable: true }));
  }

  #closed(error: Error | undefined): void {
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
