import type { Writable } from 'node:stream';
import type { Condition, Timer } from '@pulsemesh/base';
import type { Carrier, CarrierHandler, ConnectionFacts } from '../carrier.ts';
import { frameHeader } from '../framing.ts';
import { piecesOf } from '../write-pieces.ts';
import { CarrierEvents } from './carrier-events.ts';
import type { ServerContext } from './context.ts';
import type { Exchange, ResponseHeaders } from './exchange.ts';
import { safetyHeaders } from './exchange.ts';
import { carrierOver } from './refusal.ts';
import { TickWriter } from './tick-writer.ts';

const emptyPacket = new Uint8Array(0);

/** A carrier several requests take part in, found by its id. */
export interface JoinedCarrier extends Carrier {
  /** Takes packets a request brought. */
  deliver(packet: Uint8Array): void;
}

/**
 * An answer that never ends for what the server says; POSTs, or one whose body goes on, for what the agent says. A stream that was cut can be
 * asked for again under the same id; what was on its way then is lost.
 */
export class StreamCarrier implements JoinedCarrier {
  readonly transport: 'stream' | 'sse';
  readonly id: string;
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #context: ServerContext;
  readonly #events: CarrierEvents;
  readonly #onOver: () => void;
  #answer: { readonly writer: TickWriter; readonly out: Writable } | null = null;
  #idleTimer: Timer | null = null;
  #answers = 0;

  constructor(
    facts: { readonly transport: 'stream' | 'sse'; readonly id: string; readonly connection: ConnectionFacts },
    context: ServerContext,
    onOver: () => void,
  ) {
    this.transport = facts.transport;
    this.id = facts.id;
    this.connection = facts.connection;
    this.packetBytesMax = context.limits.packetBytesMax;
    this.#context = context;
    this.#onOver = onOver;
    const { limits, clock } = context;
    this.#events = new CarrierEvents({ ...limits, onSilent: (reason) => this.close(reason) }, { clock });
  }

  get isWritable(): boolean {
    return this.#answer?.writer.isWritable === true;
  }

  start(handler: CarrierHandler): void {
    this.#events.start(handler);
  }

  send(packet: Uint8Array): void {
    this.#answer?.writer.write(packet);
  }

  deliver(packet: Uint8Array): void {
    this.#events.packet(packet);
  }

  /** Says on the stream that a body that goes on is not held up on its way: an empty packet, which is none of the session's. */
  answerKnock(): void {
    this.#answer?.writer.write(emptyPacket);
  }

  /** Makes this exchange's answer the one that packets go to; the one before ends. */
  attach(exchange: Exchange, headers: ResponseHeaders): void {
    const isSse = this.transport === 'sse';
    const out = exchange.open(200, {
      'content-type': isSse ? 'text/event-stream' : 'application/octet-stream',
      // Said to the boxes in between (nginx and its kind): pass on each piece as it comes.
      'x-accel-buffering': 'no',
      ...safetyHeaders,
      ...headers,
    });
    // A comment: some readers open the stream only at its first byte.
    if (isSse) out.write(': open\n\n');
    this.#detach();
    this.#idleTimer?.cancel();
    const { limits, clock } = this.#context;
    const writer = new TickWriter(
      out,
      {
        encode: (packets) => (isSse ? [encodeEvents(packets)] : piecesOf(packets, frameHeader)),
        bufferedBytesMax: limits.bufferedBytesMax,
        stalledMs: limits.stalledMs,
        onWritable: () => this.#events.writable(),
        onStalled: (reason) => {
          this.#over(reason);
          exchange.destroy();
        },
      },
      { clock },
    );
    const answer = { writer, out };
    this.#answer = answer;
    exchange.onOver(() => {
      writer.stop();
      if (this.#answer === answer) this.#waitForNext();
    });
    this.#answers += 1;
    if (this.#answers > 1) this.#events.lost();
    this.#events.writable();
  }

  close(reason: Condition | null): void {
    if (this.#events.isClosed) return;
    this.#detach();
    this.#over(reason);
  }

  #detach(): void {
    this.#answer?.writer.flush();
    this.#answer?.writer.stop();
    this.#answer?.out.end();
    this.#answer = null;
  }

  #waitForNext(): void {
    this.#answer = null;
    const { carrierIdleMs } = this.#context.limits;
    if (this.#events.isClosed) return;
    this.#idleTimer = this.#context.clock.setTimer(() => this.#over(carrierOver.idle(carrierIdleMs)), carrierIdleMs);
  }

  #over(reason: Condition | null): void {
    this.#idleTimer?.cancel();
    this.#answer?.writer.stop();
    this.#onOver();
    if (this.#events.closed(reason)) this.#context.carriers.over(this, reason);
  }
}

/** Server-sent events: base64 on one `data:` line for each packet. */
export function encodeEvents(packets: readonly Uint8Array[]): Uint8Array {
  let text = '';
  for (const packet of packets) {
    const view = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
    text += `data: ${view.toString('base64')}\n\n`;
  }
  return Buffer.from(text, 'latin1');
}
