import type { Socket } from 'node:net';

/**
 * Writes `pieces` to `socket`, and in the same breath whatever else is written to it until the program waits for something:
 * the two answers of a negotiation, a frame's header and its body, frames of several streams. One system call, one record of
 * TLS, one waking of the other side.
 */
export function writeTogether(socket: Socket, pieces: Iterable<Uint8Array>): void {
  if (socket.writableCorked === 0) {
    socket.cork();
    process.nextTick(flush, socket); // after all microtasks
  }
  for (const bytes of pieces) socket.write(bytes);
}

/** Lets go what {@link writeTogether} holds back. */
export function flush(socket: Socket): void {
  if (socket.writableCorked > 0) socket.uncork();
}
