import { constants, type ServerHttp2Stream } from 'node:http2';
import { type Condition, errorCode } from '@pulsemesh/base';
import type { Carrier, CarrierHandler, ConnectionFacts } from '../carrier.ts';
import { FrameReader, frameHeader } from '../framing.ts';
import { piecesOf } from '../write-pieces.ts';
import { CarrierEvents } from './carrier-events.ts';
import type { ServerContext } from './context.ts';
import type { Http2Exchange } from './exchange.ts';
import { carrierOver, type Refusal, refusals } from './refusal.ts';
import { TickWriter } from './tick-writer.ts';

/** Status codes of gRPC that are used here (grpc/doc/statuscodes.md). */
const grpcStatus = { ok: 0, resourceExhausted: 8, unimplemented: 12, internal: 13, unavailable: 14 } as const;

/** How long a client may take to end its direction once it has the status. */
const closeMs = 2_000;

/** The path of the one gRPC method; see link.proto. */
export const grpcPath = '/pulsemesh.link.v1.Link/Session';

/** Answers a call of the gRPC method: a carrier, or a status a stock client shows. */
export function serveGrpc(
  exchange: Http2Exchange,
  connection: ConnectionFacts,
  id: string,
  context: ServerContext,
): void {
  const { headers, stream } = exchange;
  if (!/^application\/grpc(\+proto)?$/.test(headers['content-type'] ?? '')) {
    // An HTTP status, not one of gRPC: whoever asks does not speak gRPC (PROTOCOL-HTTP2, "Content-Type").
    const refusal = refusals.contentType('application/grpc');
    exchange.respond(refusal.status, { 'content-type': 'text/plain' }, Buffer.from(`${refusal.error}\n`));
    return;
  }
  const encoding = headers['grpc-encoding'] ?? 'identity';
  if (encoding !== 'identity') return void refuseCall(stream, grpcStatus.unimplemented, refusals.compressed(), context);
  const refusal = context.carriers.refusalFor(connection.remoteAddress ?? '');
  if (refusal !== null) {
    const status = refusal.status === 429 ? grpcStatus.resourceExhausted : grpcStatus.unavailable;
    return void refuseCall(stream, status, refusal, context);
  }
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto', 'grpc-accept-encoding': 'identity' },
    { waitForTrailers: true },
  );
  context.carriers.open(new GrpcCarrier(stream, connection, id, context));
}

/** Trailers only: status and message in the one header block of the answer. */
function refuseCall(stream: ServerHttp2Stream, status: number, refusal: Refusal, context: ServerContext): void {
  context.events.requestRefused(refusal.code);
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': String(status),
      'grpc-message': `${refusal.error} ${refusal.help}`.replaceAll(/[^ -$&-~]/g, encodeURIComponent),
      'grpc-accept-encoding': 'identity',
    },
    { endStream: true },
  );
  stream.resume();
}

/** One bidirectional gRPC call. The framing is done here: a stock server costs twice the processor time. */
class GrpcCarrier implements Carrier {
  readonly transport = 'grpc';
  readonly id: string;
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #stream: ServerHttp2Stream;
  readonly #context: ServerContext;
  readonly #events: CarrierEvents;
  readonly #writer: TickWriter;
  #status: number = grpcStatus.ok;

  constructor(stream: ServerHttp2Stream, connection: ConnectionFacts, id: string, context: ServerContext) {
    const { limits, clock } = context;
    this.#stream = stream;
    this.connection = connection;
    this.id = id;
    this.#context = context;
    this.packetBytesMax = limits.packetBytesMax;
    const end = (reason: Condition) => this.close(reason);
    this.#events = new CarrierEvents({ ...limits, onSilent: end }, { clock });
    this.#writer = new TickWriter(
      stream,
      {
        encode: (packets) => piecesOf(packets, frameHeader),
        bufferedBytesMax: limits.bufferedBytesMax,
        stalledMs: limits.stalledMs,
        onWritable: () => this.#events.writable(),
        onStalled: end,
      },
      { clock },
    );
    stream.on('wantTrailers', () => {
      if (!stream.destroyed && !stream.closed) stream.sendTrailers({ 'grpc-status': String(this.#status) });
    });
    const reader = new FrameReader({ packetBytesMax: limits.packetBytesMax });
    const onPacket = (packet: Uint8Array) => this.#events.packet(packet);
    stream.on('data', (piece: Uint8Array) => this.#read(reader, piece, onPacket));
    stream.on('end', () => this.close(null));
    stream.on('close', () => this.#over(carrierOver.cut()));
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
    if (reason !== null) this.#status = grpcStatus.unavailable;
    this.#finish();
    this.#over(reason);
  }

  #read(reader: FrameReader, piece: Uint8Array, onPacket: (packet: Uint8Array) => void): void {
    if (this.#events.isClosed) return;
    try {
      reader.push(piece, onPacket);
    } catch (error) {
      // Only the framing is judged here; what a handler throws is a bug and not ours to hide.
      if (errorCode(error) !== 'decode') throw error;
      this.#status = grpcStatus.internal;
      this.#finish();
      this.#over(carrierOver.malformed());
    }
  }

  #finish(): void {
    this.#writer.flush();
    this.#stream.end();
    // A client that goes on speaking after the status, or does not read it, is cut off (RFC 9113 §8.1). With no error code Node would
    // wait for the reader.
    const cut = () =>
      this.#stream.close(this.#stream.writableFinished ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    const timer = this.#context.clock.setTimer(cut, closeMs);
    this.#stream.once('close', () => timer.cancel());
  }

  #over(reason: Condition | null): void {
    this.#writer.stop();
    if (this.#events.closed(reason)) this.#context.carriers.over(this, reason);
  }
}
