import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AbortOptions, MessageStreamDirection } from '@libp2p/interface';
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import { assert, Condition } from '@pulsemesh/base';
import { flush, writeTogether } from './write-together.ts';

interface TcpConnectionInit {
  readonly socket: Socket;
  readonly remoteAddr: Multiaddr;
  readonly direction: MessageStreamDirection;
  readonly log: AbstractMultiaddrConnection['log'];
  readonly idleMs: number;
}

/**
 * A TCP socket as libp2p sees a raw connection, which can hand the socket itself to TLS. From then on the connection only
 * tells of its end, and ends it through TLS.
 */
export class TcpConnection extends AbstractMultiaddrConnection {
  readonly #socket: Socket;
  #secured: TLSSocket | undefined;

  constructor(init: TcpConnectionInit) {
    const { socket, idleMs, ...rest } = init;
    super(rest);
    this.#socket = socket;
    socket.on('data', this.#onBytes);
    socket.on('drain', () => void this.safeDispatchEvent('drain'));
    socket.on('error', (error) => this.abort(error));
    // Half-open connections are not allowed: node ends the other direction by itself.
    socket.once('end', () => this.onTransportClosed());
    socket.once('close', () => this.onTransportClosed());
    socket.setTimeout(idleMs, () =>
      this.abort(new Condition('idle', 'nothing was sent for long', { retryable: true })),
    );
  }

  /**
   * Hands the socket to `secure`, with what was read of it and not taken put back, and gives what that made of it.
   * Undefined, and nothing changed, while bytes wait to be sent, and after the end.
   */
  secureWith(secure: (socket: Socket) => TLSSocket): TLSSocket | undefined {
    const socket = this.#socket;
    const isBusy = this.status !== 'open' || socket.destroyed || this.#secured !== undefined;
    if (isBusy || this.writeBufferLength > 0) return undefined;
    flush(socket);
    socket.removeListener('data', this.#onBytes);
    socket.pause();
    const early = this.readBuffer.subarray();
    this.readBuffer.consume(early.length);
    if (early.length > 0) socket.unshift(early);
    const secured = secure(socket);
    this.#secured = secured;
    endThrough(secured, socket);
    return secured;
  }

  sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    assert(this.#secured === undefined, 'a secured connection is written through TLS');
    const socket = this.#socket;
    writeTogether(socket, data);
    return { sentBytes: data.byteLength, canSendMore: !socket.writableNeedDrain };
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = Promise.withResolvers<void>();
    const { signal } = options ?? {};
    const onAbort = () => closed.reject(signal?.reason);
    this.#socket.once('close', () => closed.resolve());
    signal?.addEventListener('abort', onAbort, { once: true });
    (this.#secured ?? this.#socket).destroySoon();
    try {
      await closed.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  sendReset(): void {
    if (this.#secured !== undefined) this.#secured.destroy();
    // A reset cannot be mixed with an end that is under way.
    else if (this.#socket.writableEnded) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  sendPause(): void {
    if (this.#secured === undefined) this.#socket.pause();
  }

  sendResume(): void {
    if (this.#secured === undefined) this.#socket.resume();
  }

  readonly #onBytes = (bytes: Buffer) => this.onData(bytes);
}

/**
 * Whoever destroys `socket` (node itself does when a write fails) destroys `secured` first. The other way round node crashes:
 * a TLS socket that is destroyed while the socket under it is destroyed and not closed yet is freed while still in use.
 */
function endThrough(secured: TLSSocket, socket: Socket): void {
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) => {
    if (secured.destroyed) return destroy(error);
    secured.destroy(error); // comes back here
    return socket;
  };
}
