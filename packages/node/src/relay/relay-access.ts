import { type Clock, Condition, errorCode, type Logger, type WaitOptions, withTimeout } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import {
  BadRequestError,
  type ByteStream,
  PeerUnreachableError,
  type RelayedStreams,
  type RelayView,
} from '@pulsemesh/network';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { LinkByteStream } from './link-byte-stream.ts';

/** A caller says who it is in the first message of a stream; how long it may take, and how long that is. */
export const callLimits = { nameMs: 5_000, nameBytesMax: 64 } as const;

/** One relay, as far as streams between its clients go. */
export interface RelayConnection {
  readonly peerId: PeerId;
  readonly isUp: boolean;
  /** A stream to `peer`. @throws a Condition when it is not there; `signal.reason`. */
  open(peer: PeerId, options: WaitOptions): Promise<LinkStream>;
  /** Takes streams that others open; the handler is called in the turn in which the stream came. */
  serve(handler: (stream: LinkStream) => void): Disposable;
  onChange(handler: () => void): Disposable;
}

/** Streams for the network through several relays. The first message of each names the caller, whom libp2p then makes prove it. */
export class RelayAccess implements RelayedStreams {
  readonly #self: PeerId;
  readonly #connections: readonly RelayConnection[];
  readonly #dependencies: { readonly clock: Clock; readonly logger: Logger };

  constructor(
    self: PeerId,
    connections: readonly RelayConnection[],
    dependencies: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#self = self;
    this.#connections = connections;
    this.#dependencies = dependencies;
  }

  relays(): readonly RelayView[] {
    return this.#connections.map(({ peerId, isUp }) => ({ peerId, isUp }));
  }

  async dial(relay: PeerId, peer: PeerId, options: WaitOptions = {}): Promise<ByteStream> {
    const connection = this.#connections.find((one) => one.peerId === relay);
    if (connection === undefined || !connection.isUp) throw new PeerUnreachableError(peer);
    try {
      const stream = await connection.open(peer, options);
      stream.write(new TextEncoder().encode(this.#self));
      return new LinkByteStream(stream);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new PeerUnreachableError(peer, error);
    }
  }

  listen(handler: (stream: ByteStream, from: PeerId, relay: PeerId) => void): Disposable {
    const stack = new DisposableStack();
    for (const connection of this.#connections) {
      stack.use(connection.serve((stream) => void this.#take(stream, connection.peerId, handler)));
    }
    return stack;
  }

  onChange(handler: () => void): Disposable {
    const stack = new DisposableStack();
    for (const connection of this.#connections) stack.use(connection.onChange(handler));
    return stack;
  }

  async #take(
    stream: LinkStream,
    relay: PeerId,
    handler: (stream: ByteStream, from: PeerId, relay: PeerId) => void,
  ): Promise<void> {
    const { clock, logger } = this.#dependencies;
    try {
      const bytes = new LinkByteStream(stream);
      const name = await withTimeout(clock, 'waiting for the caller’s name', callLimits.nameMs, () => bytes.first());
      if (name.byteLength > callLimits.nameBytesMax) throw new BadRequestError('not a peer id');
      handler(bytes, parsePeerId(new TextDecoder().decode(name)), relay);
    } catch (error) {
      logger.debug('a relayed stream was refused', { code: errorCode(error) });
      stream.abort(error instanceof Condition ? error : new Condition('bad-call', 'the caller did not say who it is'));
    }
  }
}
