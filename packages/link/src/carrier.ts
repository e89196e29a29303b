import type { Condition } from '@pulsemesh/base';

/** The ways packets can go, best first. `drop` is never raced: it is asked for. */
export const transportNames = [
  'grpc',
  'websocket',
  'websocket-h2',
  'stream',
  'sse',
  'long-poll',
  'short-poll',
  'drop',
] as const;

export type TransportName = (typeof transportNames)[number];

/** What a carrier tells the session that owns it. Called synchronously; must not throw. */
export interface CarrierHandler {
  /** One whole packet arrived. The bytes are the handler's: the carrier does not touch them again. */
  onPacket(packet: Uint8Array): void;
  /** `isWritable` became true again. */
  onWritable(): void;
  /**
   * The carrier lives on, but what was handed over last may not have arrived: a poll or stream was cut and asked again. The session
   * sends again what is not acknowledged, instead of waiting for an acknowledgement that cannot come.
   */
  onLost?(): void;
  /** The carrier is over, last call. All that was under way may be lost. Null: closed in good order. */
  onClosed(reason: Condition | null): void;
}

/**
 * A mover of packets between the two ends of a link: dumb, lossy when cut, and the only thing that differs between
 * transports. Every transport passes one contract suite (`runCarrierContract` in `./testing`).
 */
export interface Carrier {
  readonly transport: TransportName;
  /** Identifies the carrier in logs and on the operator's page; 32 hex digits. */
  readonly id: string;
  /**
   * The longest packet it moves now, bytes. It can shrink (a body limit answered 413) while the carrier lives; then the carrier
   * calls `onWritable`, and a packet too long for the new limit is dropped: the session sends its items again.
   */
  readonly packetBytesMax: number;
  /** False while a `send` would only pile up: a full socket, a poll that does not wait. */
  readonly isWritable: boolean;
  /** What the carrier knows of its connection, for `doctor` and the operator's page. */
  readonly connection: ConnectionFacts;
  /** Must be called once, before any event is given: events that came earlier are kept for it. */
  start(handler: CarrierHandler): void;
  /** Hands over one packet. Never throws; dropped when the carrier is closed or not writable. */
  send(packet: Uint8Array): void;
  /** Closes; `onClosed` follows unless it was already called. May be called twice. */
  close(reason: Condition | null): void;
}

/** Facts of the connection below a carrier; absent where not known (a browser does not tell). */
export interface ConnectionFacts {
  /** `TLSv1.3`, `TLSv1.2`, or `plaintext`. */
  readonly tls?: string;
  /** SHA-256 of the DER of the certificate that was presented, lower-case hex. */
  readonly certificateSha256?: string;
  /** `h2` or `http/1.1`. */
  readonly http?: string;
  /** The proxy's host and port, where one was used. */
  readonly proxy?: string;
  /** The other end's address, server side. Personal data: for limits, never for logs. */
  readonly remoteAddress?: string;
}
