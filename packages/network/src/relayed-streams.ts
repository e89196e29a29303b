import type { Condition, WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** What a {@link ByteStream} tells the one end that uses it. Called in turns of its own; must not throw. */
export interface ByteStreamHandler {
  /** Bytes in the order in which they were sent; cut anywhere. They are the handler's. */
  onData(bytes: Uint8Array): void;
  /** There is room again after `send` said false. */
  onDrain(): void;
  /** The other end sends no more. */
  onEnd(): void;
  /** The stream is over, last call. Null: both ends ended it; else what broke it. */
  onClosed(reason: Condition | null): void;
}

/**
 * Bytes both ways between two peers that a relay joins, in order, none lost while it lives. Nothing here is encrypted end
 * to end: whoever uses it brings that. Whoever was given the stream ends or aborts it.
 */
export interface ByteStream {
  /** Must be called once; what came earlier is kept until then. */
  start(handler: ByteStreamHandler): void;
  /** Takes the bytes (they must not change any more); false: wait for `onDrain`. After the end they are dropped. */
  send(bytes: Uint8Array): boolean;
  /** No more `onData` than what is on its way, until `resume`; the sender is held back. Twice is as good as once. */
  pause(): void;
  resume(): void;
  /** Ends this direction after what was sent. May be called twice. */
  end(): void;
  /** Breaks both directions at once. May be called twice, and after the end. */
  abort(reason: Condition): void;
}

/** A relay this peer is a client of. */
export interface RelayView {
  readonly peerId: PeerId;
  /** Whether there is a session with it now: only then can this peer be reached through it. */
  readonly isUp: boolean;
}

/**
 * What the network needs of relays: streams to other peers that are clients of the same relay. Who implements it keeps the
 * sessions up; a session that is lost breaks its streams.
 */
export interface RelayedStreams {
  /** At most {@link relaysMax}. */
  relays(): readonly RelayView[];
  /**
   * A stream to `peer` through `relay`.
   * @throws {PeerUnreachableError} or any other retryable condition when there is no session, or the peer has none;
   * `signal.reason`.
   */
  dial(relay: PeerId, peer: PeerId, options?: WaitOptions): Promise<ByteStream>;
  /** Takes streams that other peers opened; who they are is the relay's word. One handler at a time. */
  listen(handler: (stream: ByteStream, from: PeerId, relay: PeerId) => void): Disposable;
  /** Calls back after each change of {@link relays}. */
  onChange(handler: () => void): Disposable;
}

/** Relays that one peer announces at most. */
export const relaysMax = 4;
