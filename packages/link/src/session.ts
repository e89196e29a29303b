import type { Condition, WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { ConnectionFacts, TransportName } from './carrier.ts';

/** The key an end of a link proves to hold. `identity` of @pulsemesh/identity fits. */
export interface LinkIdentity {
  readonly peerId: PeerId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** Who is at the other end, proven by signature over the handshake. */
export interface LinkParty {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  /** What it showed at login, DER, own first; empty for a server. Already judged by `admit`. */
  readonly certificates: readonly Uint8Array[];
  /** True: it may call only methods that were served with `isOpenToGuests`. */
  readonly isGuest: boolean;
}

/** One carrier of a session, as an operator sees it. */
export interface CarrierStatus {
  readonly transport: TransportName;
  readonly id: string;
  readonly isActive: boolean;
  /** True once data made a round trip on it. */
  readonly isProven: boolean;
  readonly rttMs: number | null;
  readonly connection: ConnectionFacts;
}

export interface SessionStatus {
  /** `connecting`: no carrier is proven; the session waits, nothing is lost. */
  readonly state: 'connecting' | 'up' | 'closed';
  readonly transport: TransportName | null;
  readonly rttMs: number | null;
  readonly carriers: readonly CarrierStatus[];
  /** How often the active carrier changed. */
  readonly migrations: number;
  /** Bytes of items sent and not yet acknowledged. */
  readonly unackedBytes: number;
  /** Null: not known. True: the certificate on the wire is not the one the server says it serves. */
  readonly isIntercepted: boolean | null;
}

/**
 * A session between an agent and a server: streams of whole messages, in order, none lost, none doubled, whatever carries
 * them. Lives through any change of carrier; ends by `dispose`, by the other end, or when continuity cannot be kept.
 */
export interface LinkSession extends AsyncDisposable {
  /** Eight hex digits, for logs. */
  readonly label: string;
  /** Of an agent's session that expects nobody in particular only known once it is established; a bug to ask before. */
  readonly remote: LinkParty;
  readonly status: SessionStatus;
  /** Calls back after each change of `status` that a person would notice (state, transport, carriers). */
  onStatus(handler: (status: SessionStatus) => void): Disposable;
  /**
   * Opens a stream. Does not wait for the other end: a refusal arrives as a reset.
   * @throws {SessionClosedError}; {@link StreamLimitError} past the other end's `streams_max`.
   */
  open(method: string): LinkStream;
  /** Answers streams opened by the other end. One handler per method; one that rejects resets its stream. */
  serve(method: string, handler: (stream: LinkStream) => Promise<void> | void, options?: ServeOptions): Disposable;
  /**
   * Opens a stream, sends one message, gives the one answer.
   * @throws {LinkRemoteError} (the other end refused or failed); {@link SessionClosedError} (retryable); `signal.reason`.
   */
  request(method: string, message: Uint8Array, options?: WaitOptions): Promise<Uint8Array>;
  /** Resolves when the session is over, with the reason; null after `dispose` here. Never rejects. */
  readonly closed: Promise<Condition | null>;
  /** Ends it at once, telling the other end why. */
  end(reason: Condition): void;
}

export interface ServeOptions {
  /** Default false. */
  readonly isOpenToGuests?: boolean;
}

/**
 * A bidirectional stream of whole messages with back-pressure. Two ways to use each direction, not to be mixed: waiting
 * (`send`, `receive`), or without a promise per message (`write` and `onDrain`, `consume`) where every microsecond counts.
 */
export interface LinkStream {
  readonly method: string;
  readonly remote: LinkParty;
  /** Sends one message; resolves when there is room for the next. @throws {StreamClosedError}; {@link MessageTooLargeError}; `signal.reason`. */
  send(message: Uint8Array, options?: WaitOptions): Promise<void>;
  /** The next message; null when the other end ended its direction. @throws {StreamClosedError} or {@link LinkRemoteError} when it broke; `signal.reason`. */
  receive(options?: WaitOptions): Promise<Uint8Array | null>;
  /**
   * Takes the message, and says whether there is room for more. The bytes are not copied: they are not to be changed afterwards.
   * @throws {StreamClosedError}; {@link MessageTooLargeError}; {@link StreamFullError} past 8 MiB that wait.
   */
  write(message: Uint8Array): boolean;
  /** Calls back each time there is room again after `write` said false. Replaces the last one. */
  onDrain(handler: () => void): void;
  /**
   * Gives messages as they arrive, those already there first; null once at the end of the other direction. What the handler is
   * given counts as consumed (credit goes back) unless `hold` is called before; then `release(bytes)` gives it back.
   */
  consume(handler: (message: Uint8Array | null) => void, onBroken: (reason: Condition) => void): void;
  /** From now on consumed messages give no credit back until `release`. For passing a stream on. */
  hold(): void;
  release(bytes: number): void;
  /** Cost of what `send` or `write` took and what waits for credit or room; 64 bytes more than its payload for each message. */
  readonly bufferedBytes: number;
  /** Ends this direction after what was sent. May be called twice, never throws. */
  end(): void;
  /** Breaks both directions at once. */
  abort(reason: Condition): void;
}
