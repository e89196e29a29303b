import { Duplex } from 'node:stream';
import type { MessageStream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';

/** A connection as node's streams know it; pauses it while nobody reads, and waits while it cannot send. */
export function toDuplex(connection: MessageStream): Duplex {
  connection.pause();
  const send = (bytes: Uint8Array | Uint8ArrayList, done: (error?: Error | null) => void) => {
    try {
      if (connection.send(bytes)) done();
      else connection.onDrain().then(() => done(), done);
    } catch (error) {
      done(asError(error));
    }
  };
  const duplex = new Duplex({
    write: (chunk: Buffer, _encoding, done) => send(chunk, done),
    writev: (chunks: readonly { readonly chunk: Buffer }[], done) =>
      send(new Uint8ArrayList(...chunks.map(({ chunk }) => chunk)), done),
    read: () => whileReadable(() => connection.resume()),
    final: (done) => void connection.close().then(() => done(), done),
    destroy: (error, done) => {
      if (error !== null) connection.abort(error);
      done(error);
    },
  });
  connection.addEventListener('message', (event) => {
    let isWanted = true;
    for (const bytes of event.data instanceof Uint8Array ? [event.data] : event.data) isWanted = duplex.push(bytes);
    if (!isWanted) whileReadable(() => connection.pause());
  });
  connection.addEventListener('remoteCloseWrite', () => void duplex.push(null));
  connection.addEventListener('close', (event) => {
    if (event.error === undefined) duplex.destroy();
    else duplex.destroy(event.error);
  });
  return duplex;
}

// A connection that is read to its end throws when it is paused or resumed.
function whileReadable(act: () => void): void {
  try {
    act();
  } catch {
    // nothing comes any more
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('the connection refused bytes', { cause: error });
}
