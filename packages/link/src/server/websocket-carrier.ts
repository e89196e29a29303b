import type { Duplex } from 'node:stream';
import { type Condition, errorCode } from '@pulsemesh/base';
import type { WebSocket } from 'ws';
import type { Carrier, CarrierHandler, ConnectionFacts } from '../carrier.ts';
import { messagePieces, takePayloads } from '../websocket-frames.ts';
import { CarrierEvents } from './carrier-events.ts';
import type { ServerContext } from './context.ts';
import { carrierOver } from './refusal.ts';
import { TickWriter } from './tick-writer.ts';

/** Close codes (RFC 6455 §7.4.1; 1013 registered at IANA). */
const closeCode = {
  normal: 1000,
  none: 1005,
  goingAway: 1001,
  unsupported: 1003,
  policy: 1008,
  tryAgain: 1013,
} as const;

/**
 * A WebSocket, over HTTP/1.1 or one stream of HTTP/2. Read by `ws`; what we say is framed here and written once a tick, which `ws`
 * cannot (two writes for each message).
 */
export class WebSocketCarrier implements Carrier {
  readonly transport: 'websocket' | 'websocket-h2';
  readonly id: string;
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #socket: WebSocket;
  readonly #context: ServerContext;
  readonly #events: CarrierEvents;
  readonly #writer: TickWriter;

  /** `out`: the stream below `socket`. */
  constructor(
    socket: WebSocket,
    out: Duplex,
    facts: {
      readonly transport: 'websocket' | 'websocket-h2';
      readonly connection: ConnectionFacts;
      readonly id: string;
    },
    context: ServerContext,
  ) {
    const { limits, clock } = context;
    this.transport = facts.transport;
    this.connection = facts.connection;
    this.id = facts.id;
    this.packetBytesMax = limits.packetBytesMax;
    this.#socket = socket;
    this.#context = context;
    this.#events = new CarrierEvents({ ...limits, onSilent: (reason) => this.close(reason) }, { clock });
    this.#writer = new TickWriter(
      out,
      {
        encode: messagePieces,
        isSocket: facts.transport === 'websocket',
        bufferedBytesMax: limits.bufferedBytesMax,
        stalledMs: limits.stalledMs,
        onWritable: () => this.#events.writable(),
        // A reader that takes nothing would not take a close frame either.
        onStalled: (reason) => {
          this.#over(reason);
          socket.terminate();
        },
      },
      { clock },
    );
    takePayloads(socket);
    socket.on('message', (data, isBinary) => {
      if (isBinary)
        this.#events.packet(data as Buffer); // binaryType is nodebuffer
      else this.#closeWith(closeCode.unsupported, carrierOver.malformed());
    });
    // `ws` sends the close frame that fits (1009 past maxPayload, 1002 for a broken frame) by itself.
    socket.on('error', (error) => {
      const isTooLarge = errorCode(error) === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
      const { packetBytesMax } = limits;
      this.#over(isTooLarge ? carrierOver.tooLarge(packetBytesMax) : carrierOver.malformed());
    });
    socket.on('close', (code) =>
      this.#over(code === closeCode.normal || code === closeCode.none ? null : carrierOver.cut()),
    );
  }

  get isWritable(): boolean {
    return this.#writer.isWritable;
  }

  start(handler: CarrierHandler): void {
    this.#events.start(handler);
  }

  send(packet: Uint8Array): void {
    this.#writer.write(packet);
  }

  close(reason: Condition | null): void {
    if (this.#events.isClosed) return;
    const code = reason === null ? closeCode.normal : reason.retryable ? closeCode.tryAgain : closeCode.policy;
    this.#closeWith(code, reason);
  }

  #closeWith(code: number, reason: Condition | null): void {
    this.#writer.flush();
    this.#socket.close(code, reason?.code);
    this.#over(reason);
  }

  #over(reason: Condition | null): void {
    this.#writer.stop();
    if (this.#events.closed(reason)) this.#context.carriers.over(this, reason);
  }
}
