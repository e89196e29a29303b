import type { WaitOptions } from '@pulsemesh/base';
import { type ByteStream, PeerUnreachableError, type RelayedStreams, type RelayView } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';

/** One relay, as far as streams between its clients go. */
export interface RelayConnection {
  readonly peerId: PeerId;
  readonly isUp: boolean;
  /** A stream to `peer`. @throws a Condition when it is not there; `signal.reason`. */
  open(peer: PeerId, options: WaitOptions): Promise<ByteStream>;
  /** Takes streams that others open, with the relay's word on who they are. */
  serve(handler: (stream: ByteStream, from: PeerId) => void): Disposable;
  onChange(handler: () => void): Disposable;
}

/** Streams for the network through several relays. */
export class RelayAccess implements RelayedStreams {
  readonly #connections: readonly RelayConnection[];

  constructor(connections: readonly RelayConnection[]) {
    this.#connections = connections;
  }

  relays(): readonly RelayView[] {
    return this.#connections.map(({ peerId, isUp }) => ({ peerId, isUp }));
  }

  async dial(relay: PeerId, peer: PeerId, options: WaitOptions = {}): Promise<ByteStream> {
    const connection = this.#connections.find((one) => one.peerId === relay);
    if (connection === undefined || !connection.isUp) throw new PeerUnreachableError(peer);
    try {
      return await connection.open(peer, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new PeerUnreachableError(peer, error);
    }
  }

  listen(handler: (stream: ByteStream, from: PeerId, relay: PeerId) => void): Disposable {
    const stack = new DisposableStack();
    for (const connection of this.#connections) {
      stack.use(connection.serve((stream, from) => handler(stream, from, connection.peerId)));
    }
    return stack;
  }

  onChange(handler: () => void): Disposable {
    const stack = new DisposableStack();
    for (const connection of this.#connections) stack.use(connection.onChange(handler));
    return stack;
  }
}
