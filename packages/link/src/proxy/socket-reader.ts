import type { Socket } from 'node:net';
import { Condition } from '@pulsemesh/base';

/** The connection ended or failed while an answer was awaited. */
export class ConnectionEndedError extends Condition {
  override readonly name = 'ConnectionEndedError';
  constructor(reason: string) {
    super('connection-ended', `the connection ended (${reason})`, { facts: { reason }, retryable: true });
  }
}

/** More came than one answer may be long. */
export class TooLongError extends Condition {
  override readonly name = 'TooLongError';
  constructor(bytesMax: number) {
    super('too-long', `more than ${bytesMax} bytes`, { facts: { bytesMax } });
  }
}

/**
 * Reads pieces of known shape from a socket, and leaves it as if nobody had: after `release` what was not taken is there to be
 * read again. It reads in paused mode, since a socket that once flowed and was paused does not start by itself for its next owner.
 */
export class SocketReader {
  readonly #socket: Socket;
  #buffered = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Everything before the first `marker`, which is taken too. @throws {TooLongError}, {ConnectionEndedError}. */
  async readUntil(marker: string, bytesMax: number): Promise<string> {
    for (;;) {
      const at = this.#buffered.indexOf(marker, 0, 'latin1');
      if (at > bytesMax || (at === -1 && this.#buffered.length > bytesMax)) throw new TooLongError(bytesMax);
      if (at !== -1) {
        const taken = this.#take(at + marker.length);
        return taken.toString('latin1', 0, at);
      }
      await this.#fill();
    }
  }

  /** Takes exactly so many bytes and forgets them. @throws {ConnectionEndedError}. */
  async skip(byteCount: number): Promise<void> {
    let left = byteCount;
    for (;;) {
      left -= this.#take(Math.min(left, this.#buffered.length)).length;
      if (left === 0) return;
      await this.#fill();
    }
  }

  /** Gives back what was read too far. */
  release(): void {
    if (this.#buffered.length > 0 && !this.#socket.destroyed) this.#socket.unshift(this.#buffered);
    this.#buffered = Buffer.alloc(0);
  }

  #take(byteCount: number): Buffer {
    const taken = this.#buffered.subarray(0, byteCount);
    this.#buffered = this.#buffered.subarray(byteCount);
    return taken;
  }

  #fill(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        for (const [event, listener] of listeners) socket.off(event, listener);
        action();
      };
      const onReadable = () => {
        const chunk: Buffer | null = socket.read();
        if (chunk === null) return;
        this.#buffered = Buffer.concat([this.#buffered, chunk]);
        settle(resolve);
      };
      const fail = (reason: string) => settle(() => reject(new ConnectionEndedError(reason)));
      const listeners = [
        ['readable', onReadable],
        ['end', () => fail('ended')],
        ['close', () => fail('ended')],
        ['error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'failed')],
      ] as const;
      if (socket.destroyed) return reject(new ConnectionEndedError('ended'));
      for (const [event, listener] of listeners) socket.on(event, listener);
    });
  }
}
