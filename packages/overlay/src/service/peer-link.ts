import type { Connection, Stream } from '@libp2p/interface';
import type { PeerId } from '@pulsemesh/wire';
import type { Message } from '../message.ts';
import { OutboundQueue } from './outbound-queue.ts';

/** Limits of one link. */
export const linkLimits = {
  /** Bytes of earlier frames that may wait for the stream's window when the next frame is taken from the queue. */
  streamBytesMax: 256 * 1024,
  /** A stream that could not be opened is tried again by the next message, but not sooner than this. */
  reopenMs: 1_000,
} as const;

export interface PeerLinkOptions {
  readonly outboundBytesMax: number;
  readonly openStream: (connection: Connection) => Promise<Stream>;
  readonly onDropped: (messages: readonly Message[]) => void;
  readonly onOpenFailed: (error: unknown) => void;
  readonly monotonicMs: () => number;
}

/**
 * The way to one peer: a queue, and one long-lived outbound stream that is opened when first needed, and anew when it
 * broke or was closed for idling. What is queued in one turn travels in one frame.
 */
export class PeerLink {
  readonly peer: PeerId;
  /** Set by whoever knows: the connection to use. */
  connection: Connection | undefined;
  /** What this service dialled, so that it may close it: the connection in use, or one beside it. */
  dialled: Connection | undefined;
  /** An end lets the connection go on purpose: that it closes then says nothing about the peer. */
  isParting = false;
  lastUsedMs: number;
  /** When it was connected last, monotonic. */
  sinceMs = Number.NEGATIVE_INFINITY;
  /** How often the peer had no room for us since something is to be sent to it. */
  refusals = 0;
  lastWantedMs = Number.NEGATIVE_INFINITY;
  /** Since when `dialled` is known to be one too many, monotonic. */
  doubleSinceMs: number | undefined;
  readonly #options: PeerLinkOptions;
  readonly #queue: OutboundQueue;
  #stream: Stream | undefined;
  #isOpening = false;
  #isFlushSet = false;
  #openedMs = Number.NEGATIVE_INFINITY;

  constructor(peer: PeerId, options: PeerLinkOptions) {
    this.peer = peer;
    this.#options = options;
    this.#queue = new OutboundQueue(options.outboundBytesMax);
    this.lastUsedMs = options.monotonicMs();
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && (this.#stream?.writeBufferLength ?? 0) === 0;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  send(message: Message): void {
    const dropped = this.#queue.push(message);
    if (dropped.length > 0) this.#options.onDropped(dropped);
    this.lastUsedMs = this.#options.monotonicMs();
    if (this.connection !== undefined) this.flushSoon();
  }

  /** Sends at the end of this turn what is queued then. */
  flushSoon(): void {
    if (this.#isFlushSet) return;
    this.#isFlushSet = true;
    queueMicrotask(() => {
      this.#isFlushSet = false;
      this.#flush();
    });
  }

  /** Goes on over another connection while the one in use is open: what was handed to its stream is still sent there. */
  moveTo(connection: Connection): void {
    this.connection = connection;
    this.isParting = false;
    this.#openedMs = Number.NEGATIVE_INFINITY;
    void this.close();
    this.flushSoon();
  }

  /** Forgets what is queued, and says what that was. */
  clear(): readonly Message[] {
    return this.#queue.clear();
  }

  /** Ends the outbound stream; what was handed to it is still sent. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.close().catch(() => {});
  }

  #flush(): void {
    if (this.#queue.length === 0 || this.connection === undefined) return;
    const stream = this.#stream;
    if (stream === undefined) {
      void this.#open(this.connection);
      return;
    }
    try {
      // A link over a broken connection learns of it by the stream's close.
      while (stream.writeBufferLength <= linkLimits.streamBytesMax) {
        const frame = this.#queue.takeFrame();
        if (frame === undefined) return;
        stream.send(frame);
      }
    } catch {
      this.#lost(stream);
    }
  }

  async #open(connection: Connection): Promise<void> {
    const nowMs = this.#options.monotonicMs();
    if (this.#isOpening || nowMs - this.#openedMs < linkLimits.reopenMs) return;
    this.#isOpening = true;
    this.#openedMs = nowMs;
    try {
      const stream = await this.#options.openStream(connection);
      if (this.connection !== connection) {
        void stream.close().catch(() => {}); // the link has moved on meanwhile, and nothing was sent here
        return;
      }
      // The stream's own drain tells of the connection's room, whether or not this stream's window has any: what counts
      // is how much still waits once the stream has tried again.
      stream.addEventListener('drain', () => this.flushSoon());
      stream.addEventListener('idle', () => this.flushSoon());
      stream.addEventListener('close', () => this.#lost(stream));
      this.#stream = stream;
    } catch (error) {
      this.#options.onOpenFailed(error);
    } finally {
      this.#isOpening = false;
      this.flushSoon();
    }
  }

  #lost(stream: Stream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.flushSoon();
  }
}
