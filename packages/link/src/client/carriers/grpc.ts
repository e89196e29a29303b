import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { errorMessage } from '@pulsemesh/base';
import type { Carrier, ConnectionFacts } from '../../carrier.ts';
import type { Dialer } from '../../dialer.ts';
import { FrameReader, frameHeader } from '../../framing.ts';
import { piecesOf, writePieces } from '../../write-pieces.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { BaseCarrier, bufferedBytesMax, packetBytesMaxDefault } from './base-carrier.ts';
import { type ConnectRequest, pathUnder } from './connect.ts';
import { closeHttp2, openHttp2 } from './http2-session.ts';

/**
 * Opens a carrier over one bidirectional gRPC stream, framed here (gRPC over HTTP/2, PROTOCOL-HTTP2.md).
 * @throws {CarrierError} `no-h2`; what the dialer throws; `signal.reason`.
 */
export async function connectGrpc(request: ConnectRequest, deps: { readonly dialer: Dialer }): Promise<Carrier> {
  const { session, facts } = await openHttp2(request, deps.dialer);
  const stream = session.request(
    {
      ':method': 'POST',
      ':path': pathUnder(request.url, '/pulsemesh.link.v1.Link/Session'),
      'content-type': 'application/grpc',
      te: 'trailers',
    },
    { endStream: false },
  );
  return new GrpcCarrier(request, { session, stream, facts });
}

class GrpcCarrier extends BaseCarrier {
  readonly transport = 'grpc';
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;

  constructor(
    request: ConnectRequest,
    parts: {
      readonly session: ClientHttp2Session;
      readonly stream: ClientHttp2Stream;
      readonly facts: ConnectionFacts;
    },
  ) {
    super(request.id);
    const { session, stream } = parts;
    this.connection = parts.facts;
    this.packetBytesMax = request.packetBytesMax ?? packetBytesMaxDefault;
    this.#session = session;
    this.#stream = stream;
    const reader = new FrameReader();
    stream.on('response', (headers) => this.#answered(Number(headers[':status']), headers['content-type']));
    stream.on('data', (piece: Buffer) => this.#read(reader, piece));
    stream.on('drain', () => this.tellWritable());
    stream.on('trailers', (trailers) => this.#ended(String(trailers['grpc-status'] ?? 'none')));
    stream.on('error', (error) => this.close(asCarrierError(error)));
    stream.on('close', () => this.close(new CarrierError('cut', 'the stream was cut')));
    session.on('error', (error) => this.close(asCarrierError(error)));
    session.on('close', () => this.close(new CarrierError('cut', 'the connection was closed')));
    session.on('goaway', () => this.close(new CarrierError('cut', 'the other end closes the connection')));
  }

  protected override hasRoom(): boolean {
    return this.#stream.writableLength < bufferedBytesMax && !this.#stream.writableNeedDrain;
  }

  protected override transmit(packet: Uint8Array): void {
    writePieces(this.#stream, piecesOf([packet], frameHeader));
  }

  protected override release(): void {
    this.#stream.on('error', () => {});
    // The end of the stream goes out before the connection is closed.
    this.#stream.end();
    setImmediate(() => closeHttp2(this.#session));
  }

  #read(reader: FrameReader, piece: Buffer): void {
    if (this.isClosed) return;
    try {
      reader.push(piece, (packet) => this.deliver(packet));
    } catch (error) {
      this.close(
        new CarrierError('protocol', `what answers is not the link: ${errorMessage(error)}`, { cause: error }),
      );
    }
  }

  #answered(status: number, contentType: string | undefined): void {
    if (status === 200 && contentType?.startsWith('application/grpc')) return;
    const text = `gRPC is answered with HTTP status ${status}`;
    this.close(new CarrierError('http-status', text, { facts: { status } }));
  }

  #ended(grpcStatus: string): void {
    this.close(new CarrierError('cut', `the gRPC stream ended with status ${grpcStatus}`, { facts: { grpcStatus } }));
  }
}
