import type { AbortOptions, Logger, MessageStreamDirection } from '@libp2p/interface';
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { type Clock, Condition, type Timer } from '@pulsemesh/base';
import type { ByteStream } from '../relayed-streams.ts';

export const relayedConnectionLimits = {
  /** Longest piece handed to the stream at once. */
  pieceBytesMax: 64 * 1024,
  /** How long the other end may take to end its direction after this one did; then the stream is broken. */
  lingerMs: 5_000,
} as const;

interface RelayedConnectionInit {
  readonly stream: ByteStream;
  readonly remoteAddr: Multiaddr;
  readonly direction: MessageStreamDirection;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * A relayed stream as libp2p sees a raw connection, before it is encrypted and multiplexed. As with a socket, an end of one
 * direction ends the connection.
 */
export class RelayedConnection extends AbstractMultiaddrConnection {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  #isOver = false;
  #linger: Timer | undefined;

  constructor(init: RelayedConnectionInit) {
    const { stream, clock, ...rest } = init;
    super({ ...rest, maxMessageSize: relayedConnectionLimits.pieceBytesMax });
    this.#stream = stream;
    this.#clock = clock;
    stream.start({
      onData: (bytes) => this.onData(bytes),
      onDrain: () => void this.safeDispatchEvent('drain'),
      onEnd: () => {
        stream.end();
        this.onTransportClosed();
      },
      onClosed: (reason) => {
        this.#isOver = true;
        this.#linger?.cancel();
        if (reason === null) this.onTransportClosed();
        else this.abort(reason);
      },
    });
  }

  sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data.subarray()) };
  }

  async sendClose(_options?: AbortOptions): Promise<void> {
    this.#stream.end();
    if (this.#isOver) return;
    const { lingerMs } = relayedConnectionLimits;
    this.#linger = this.#clock.setTimer(() => this.sendReset(new Error('the other end did not end')), lingerMs);
  }

  sendReset(error: Error): void {
    this.#linger?.cancel();
    const reason = error instanceof Condition ? error : undefined;
    this.#stream.abort(reason ?? new Condition('connection-broken', 'the connection was broken', { retryable: true }));
  }

  sendPause(): void {
    this.#stream.pause();
  }

  sendResume(): void {
    this.#stream.resume();
  }
}
