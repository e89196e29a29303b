import { type Condition, errorMessage } from '@pulsemesh/base';
import type { ConnectionFacts } from '../../carrier.ts';
import { FrameReader } from '../../framing.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { BaseCarrier } from './base-carrier.ts';
import type { CarrierDependencies } from './connect.ts';
import { EventStreamReader } from './event-stream-reader.ts';
import type { ExchangeAnswer, HttpExchange } from './http-exchange.ts';
import { Uplink } from './uplink.ts';

export interface StreamOptions {
  readonly transport: 'stream' | 'sse';
  readonly id: string;
  /** Path and query of the response that never ends. */
  readonly streamPath: string;
  readonly sendPath: string;
  /** The path for a body that goes on. */
  readonly uploadPath?: string;
  readonly exchange: HttpExchange;
  readonly packetBytesMax?: number;
}

/** A response that never ends brings packets down; POSTs take them up once it has begun. */
export class StreamCarrier extends BaseCarrier {
  readonly transport: 'stream' | 'sse';
  readonly #options: StreamOptions;
  readonly #deps: CarrierDependencies;
  readonly #uplink: Uplink;
  #startedMs = 0;

  constructor(options: StreamOptions, deps: CarrierDependencies) {
    super(options.id);
    this.transport = options.transport;
    this.#options = options;
    this.#deps = deps;
    this.#uplink = new Uplink(
      {
        path: options.sendPath,
        exchange: options.exchange,
        ...(options.uploadPath === undefined ? {} : { uploadPath: options.uploadPath }),
        ...(options.packetBytesMax === undefined ? {} : { packetBytesMax: options.packetBytesMax }),
        onWritable: () => this.tellWritable(),
        onLost: () => this.tellLost(),
        onBroken: (reason) => this.close(reason),
      },
      deps,
    );
  }

  get packetBytesMax(): number {
    return this.#uplink.packetBytesMax;
  }

  get connection(): ConnectionFacts {
    return this.#options.exchange.connection;
  }

  override start(handler: Parameters<BaseCarrier['start']>[0]): void {
    super.start(handler);
    if (!this.isClosed) this.#listen();
  }

  protected override hasRoom(): boolean {
    return this.#uplink.hasRoom;
  }

  protected override transmit(packet: Uint8Array): void {
    this.#uplink.send(packet);
  }

  protected override release(): void {
    this.#uplink.close();
    this.#options.exchange.close();
  }

  #listen(): void {
    const { exchange, streamPath, transport } = this.#options;
    const reader = transport === 'sse' ? new EventStreamReader() : new FrameReader();
    this.#startedMs = this.#deps.clock.monotonicMs();
    const onData = (piece: Uint8Array) => {
      try {
        reader.push(piece, (packet) => {
          if (packet.length > 0) this.deliver(packet);
          else this.#uplink.knockAnswered();
        });
      } catch (error) {
        const text = `what answers is not the link: ${errorMessage(error)}`;
        this.close(new CarrierError('protocol', text, { cause: error }));
      }
    };
    const onHead = () => this.#uplink.open();
    exchange.post({ path: streamPath, body: new Uint8Array(0), onHead, onData }).then(
      (answer) => this.close(this.#endOf(answer)),
      (error: unknown) => this.close(asCarrierError(error)),
    );
  }

  #endOf(answer: ExchangeAnswer): Condition {
    const { status, retryAfterMs } = answer;
    const afterMs = Math.round(this.#deps.clock.monotonicMs() - this.#startedMs);
    if (status === 200) {
      return new CarrierError('cut', `the stream ended after ${afterMs} ms`, { facts: { afterMs } });
    }
    return new CarrierError('http-status', `the stream is answered with HTTP status ${status}`, {
      facts: { status, retryAfterMs: retryAfterMs ?? undefined },
    });
  }
}
