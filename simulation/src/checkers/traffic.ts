import type { Message } from '@pulsemesh/overlay/protocol';
import { messageBytes } from '../fleet/message-bytes.ts';
import type { Observer } from '../network/node.ts';

/** Counts what honest nodes receive: whole events, and bytes of events and of everything else. */
export class TrafficCount implements Observer {
  readonly #honest: number;
  /** Whole events, repeated ones included. */
  events = 0;
  eventBytes = 0;
  otherBytes = 0;
  readonly messages = new Map<Message['kind'], number>();

  /** Honest nodes have the numbers below `honest`. */
  constructor(honest: number) {
    this.#honest = honest;
  }

  received(_from: number, to: number, message: Message): void {
    if (to >= this.#honest) return;
    this.messages.set(message.kind, (this.messages.get(message.kind) ?? 0) + 1);
    const bytes = messageBytes(message);
    if (message.kind === 'event') {
      this.events += 1;
      this.eventBytes += bytes;
    } else {
      this.otherBytes += bytes;
    }
  }
}
