import { Condition } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import type { ByteStream, ByteStreamHandler } from '@pulsemesh/network';

type Arrival = Uint8Array | 'end';

/**
 * A stream of the link as bytes for the network. What waits here for a paused reader is bounded by the stream's credit: it goes
 * back only for what was handed on. To be made in the turn in which the stream was got.
 */
export class LinkByteStream implements ByteStream {
  readonly #stream: LinkStream;
  readonly #arrived: Arrival[] = [];
  #takeFirst: ((message: Uint8Array) => void) | undefined;
  #handler: ByteStreamHandler | undefined;
  #isPaused = false;
  #hasEnded = false;
  #hasOtherEnded = false;
  /** Undefined while the stream lives. */
  #over: { readonly reason: Condition | null } | undefined;

  /** `takeFirst`: gets the first message instead of the handler; what it throws breaks the stream. */
  constructor(stream: LinkStream, takeFirst?: (message: Uint8Array) => void) {
    this.#stream = stream;
    this.#takeFirst = takeFirst;
    stream.hold();
    stream.onDrain(() => this.#handler?.onDrain());
    stream.consume(
      (message) => {
        if (message !== null && this.#takeFirst !== undefined) this.#giveFirst(message, this.#takeFirst);
        else this.#arrived.push(message ?? 'end');
        this.#deliver();
      },
      (reason) => this.#finish(reason),
    );
  }

  start(handler: ByteStreamHandler): void {
    this.#handler = handler;
    this.#deliver();
    if (this.#over !== undefined) handler.onClosed(this.#over.reason);
  }

  send(bytes: Uint8Array): boolean {
    if (this.#hasEnded || this.#over !== undefined || bytes.byteLength === 0) return true;
    try {
      return this.#stream.write(bytes);
    } catch {
      return true; // it broke in this very moment, and says so
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  end(): void {
    if (this.#hasEnded || this.#over !== undefined) return;
    this.#hasEnded = true;
    this.#stream.end();
    if (this.#hasOtherEnded) this.#finish(null);
  }

  abort(reason: Condition): void {
    if (this.#over !== undefined) return;
    this.#stream.abort(reason);
    this.#finish(reason);
  }

  #deliver(): void {
    while (this.#handler !== undefined && !this.#isPaused && this.#over === undefined) {
      const next = this.#arrived.shift();
      if (next === undefined) return;
      if (next === 'end') {
        this.#hasOtherEnded = true;
        this.#handler.onEnd();
        if (this.#hasEnded) this.#finish(null);
      } else {
        this.#stream.release(next.byteLength);
        this.#handler.onData(next);
      }
    }
  }

  #giveFirst(message: Uint8Array, takeFirst: (message: Uint8Array) => void): void {
    this.#takeFirst = undefined;
    this.#stream.release(message.byteLength);
    try {
      takeFirst(message);
    } catch (error) {
      this.abort(error instanceof Condition ? error : new Condition('bad-first-message', 'not understood'));
    }
  }

  #finish(reason: Condition | null): void {
    if (this.#over !== undefined) return;
    this.#over = { reason };
    this.#arrived.length = 0;
    this.#handler?.onClosed(reason);
  }
}
