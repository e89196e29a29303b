import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Where a stage of a box listens, and how to end it. */
export interface Stage extends AsyncDisposable {
  readonly port: number;
}

/** Where the next stage, or the server behind the box, is reached. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens on a free port of loopback. Every socket taken is remembered and cut when the stage ends; `alsoOnDispose` runs
 * before that.
 */
export async function listen(server: Server, alsoOnDispose: () => void = () => {}, host = '127.0.0.1'): Promise<Stage> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      alsoOnDispose();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Two directions, each with back-pressure; the end of one ends the other, a cut cuts. */
export function splice(one: Duplex, other: Duplex): void {
  one.pipe(other);
  other.pipe(one);
  cutTogether(one, other);
}

/** When either is gone the other goes too. */
export function cutTogether(one: Duplex, other: Duplex): void {
  const cut = () => {
    one.destroy();
    other.destroy();
  };
  for (const end of [one, other]) {
    end.on('error', cut);
    end.on('close', cut);
  }
}
