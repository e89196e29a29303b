import type { TLSSocket } from 'node:tls';
import type { AbortOptions, MessageStream } from '@libp2p/interface';
import { AbstractMessageStream, type SendResult } from '@libp2p/utils';
import { writeTogether } from './write-together.ts';

/** What libp2p multiplexes on: the plain side of a TLS socket. Ends with the raw connection under it, and ends that. */
export class SecureConnection extends AbstractMessageStream {
  readonly #raw: MessageStream;
  readonly #socket: TLSSocket;

  constructor(raw: MessageStream, socket: TLSSocket) {
    super({
      log: raw.log,
      direction: raw.direction,
      inactivityTimeout: raw.inactivityTimeout,
      maxReadBufferLength: raw.maxReadBufferLength,
    });
    this.#raw = raw;
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.onData(bytes));
    socket.on('drain', () => void this.safeDispatchEvent('drain'));
    socket.on('error', (error) => raw.abort(error));
    // Of a raw connection that is a socket, this is the socket's own end as well.
    socket.once('close', () => void raw.close().catch((error: Error) => raw.abort(error)));
    raw.addEventListener('close', (event) => {
      socket.destroy();
      if (event.error === undefined) this.onTransportClosed();
      else if (event.local) this.abort(event.error);
      else this.onRemoteReset();
    });
  }

  async close(options?: AbortOptions): Promise<void> {
    if (this.status !== 'open') return;
    const over = Promise.withResolvers<void>();
    const { signal } = options ?? {};
    const onAbort = () => over.reject(signal?.reason);
    this.addEventListener('close', () => over.resolve(), { once: true });
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#socket.destroySoon(); // after what was written
    try {
      await over.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  sendData(data: Parameters<AbstractMessageStream['sendData']>[0]): SendResult {
    const socket = this.#socket;
    writeTogether(socket, data);
    return { sentBytes: data.byteLength, canSendMore: !socket.writableNeedDrain };
  }

  sendReset(error: Error): void {
    this.#raw.abort(error);
    this.#socket.destroy();
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }
}
