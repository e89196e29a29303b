import type { Writable } from 'node:stream';
import { type Clock, Condition, type Timer } from '@pulsemesh/base';
import type { LiveEvent } from '../api/types.ts';

/** As many pages are listening as may. Retryable. */
export class TooManyListenersError extends Condition {
  override readonly name = 'TooManyListenersError';
  constructor(listenersMax: number) {
    super('too-many-listeners', `${listenersMax} pages are listening already`, {
      facts: { listenersMax },
      retryable: true,
    });
  }
}

export interface LiveStreamsOptions {
  /** Default 64. */
  readonly listenersMax?: number;
  /** A listener with more than this unsent is cut off, reconnects and loads afresh; default 1 MiB. */
  readonly unsentBytesMax?: number;
  /** A comment keeps proxies from cutting a silent stream; default 15,000. */
  readonly heartbeatMs?: number;
}

/** The pages that listen to the live events (server-sent events, HTML standard §9.2). */
export class LiveStreams implements Disposable {
  readonly #options: Required<LiveStreamsOptions>;
  readonly #clock: Clock;
  readonly #listeners = new Set<Writable>();
  #heartbeat: Timer | null = null;

  constructor(options: LiveStreamsOptions, clock: Clock) {
    this.#options = {
      listenersMax: options.listenersMax ?? 64,
      unsentBytesMax: options.unsentBytesMax ?? 1024 * 1024,
      heartbeatMs: options.heartbeatMs ?? 15_000,
    };
    this.#clock = clock;
  }

  get count(): number {
    return this.#listeners.size;
  }

  /** @throws {TooManyListenersError} before anything was answered. */
  assertRoom(): void {
    if (this.count >= this.#options.listenersMax) throw new TooManyListenersError(this.#options.listenersMax);
  }

  /** Takes over a response whose head was written, and starts it with `first`. */
  add(response: Writable, first: readonly LiveEvent[]): void {
    this.#listeners.add(response);
    response.once('close', () => this.#listeners.delete(response));
    response.write('retry: 1000\n\n');
    for (const event of first) response.write(frame(event));
    if (this.#heartbeat === null) this.#beat();
  }

  send(event: LiveEvent): void {
    if (this.#listeners.size === 0) return;
    this.#write(frame(event));
  }

  [Symbol.dispose](): void {
    this.#heartbeat?.cancel();
    for (const response of this.#listeners) response.end();
    this.#listeners.clear();
  }

  #beat(): void {
    this.#heartbeat = this.#clock.setTimer(() => {
      this.#write(':\n\n');
      this.#beat();
    }, this.#options.heartbeatMs);
  }

  #write(text: string): void {
    for (const response of this.#listeners) {
      if (response.writableLength > this.#options.unsentBytesMax) {
        this.#listeners.delete(response);
        response.destroy();
      } else {
        response.write(text);
      }
    }
  }
}

function frame(event: LiveEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
