import { BoundedQueue } from '@pulsemesh/base';
import { encodeFrame } from '@pulsemesh/wire';
import { codecLimits, encodeMessage, encodeMessages } from '../codec.ts';
import type { Message } from '../message.ts';

/** Limits of what waits to be sent to one peer. */
export const outboundLimits = {
  /** Default of the bytes that wait; see {@link OutboundQueue}. */
  bytesMax: 4 * 1024 * 1024,
  messagesMax: 4_096,
  /** Small messages are gathered into frames of about this many bytes. */
  frameBytesTarget: 64 * 1024,
} as const;

/**
 * What waits to be sent to one peer, bounded by bytes and messages. Full means: the oldest gossip goes first, then, for a
 * new event, the oldest event; gossip never drives out an event.
 */
export class OutboundQueue {
  readonly #bytesMax: number;
  readonly #events: BoundedQueue<Message>;
  readonly #gossip: BoundedQueue<Message>;

  constructor(bytesMax: number) {
    const options = { itemsMax: outboundLimits.messagesMax, bytesMax, sizeOf };
    this.#bytesMax = bytesMax;
    this.#events = new BoundedQueue(options);
    this.#gossip = new BoundedQueue(options);
  }

  get length(): number {
    return this.#events.length + this.#gossip.length;
  }

  get bytes(): number {
    return this.#events.bytes + this.#gossip.bytes;
  }

  /** Appends `message` and returns what was dropped for it: others, or itself. */
  push(message: Message): readonly Message[] {
    const size = sizeOf(message);
    const dropped: Message[] = [];
    const queue = message.kind === 'event' ? this.#events : this.#gossip;
    while (this.length >= outboundLimits.messagesMax || this.bytes + size > this.#bytesMax) {
      const oldest = this.#gossip.shift() ?? (queue === this.#events ? this.#events.shift() : undefined);
      if (oldest === undefined) return [...dropped, message];
      dropped.push(oldest);
    }
    queue.push(message);
    return dropped;
  }

  /** The next frame to send, gossip first, because answers are waited for; undefined when nothing waits. */
  takeFrame(): Uint8Array | undefined {
    const messages: Message[] = [];
    let bytes = 0;
    for (const queue of [this.#gossip, this.#events]) {
      while (messages.length < codecLimits.messagesPerFrameMax && bytes < outboundLimits.frameBytesTarget) {
        const message = queue.shift();
        if (message === undefined) break;
        messages.push(message);
        bytes += sizeOf(message);
      }
    }
    return messages.length === 0 ? undefined : encodeFrame(encodeMessages(messages));
  }

  /** Forgets what waits, and returns it. */
  clear(): readonly Message[] {
    const waited: Message[] = [];
    for (const queue of [this.#gossip, this.#events]) {
      for (let message = queue.shift(); message !== undefined; message = queue.shift()) waited.push(message);
    }
    return waited;
  }
}

function sizeOf(message: Message): number {
  // What an event's encoding adds to its bytes; others are encoded once, and remembered by the message object.
  return message.kind === 'event' ? message.bytes.length + 8 : encodeMessage(message).length;
}
