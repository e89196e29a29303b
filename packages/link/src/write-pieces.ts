import type { Writable } from 'node:stream';
import { freeIfTaken, takeWithRoom } from './packet-memory.ts';

/** Up to this many bytes one copy is cheaper than one more piece in a write. */
const joinedBytesMax = 8 * 1024;

/** Writes the header of a packet this long; answers it. */
type HeaderOf = (packetBytes: number) => Uint8Array;

/**
 * Each packet after its header, to be written in one go. Long packets are not copied: the copies of a busy server are memory outside
 * of V8's heap, and that is what brings on its dearest collections. Where a packet has room before it, the header goes there: TLS
 * takes one piece as it is, and puts several together in memory of its own first.
 */
export function piecesOf(packets: readonly Uint8Array[], headerOf: HeaderOf): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const packet of packets) {
    const header = headerOf(packet.length);
    const whole = takeWithRoom(packet, header.length);
    if (whole === null) pieces.push(header, packet);
    else {
      whole.set(header);
      pieces.push(whole);
    }
    bytes += header.length + packet.length;
  }
  return pieces.length > 1 && bytes <= joinedBytesMax ? [Buffer.concat(pieces, bytes)] : pieces;
}

/**
 * Writes the pieces at once; says whether there is room for more. `isSocket`: `out` is a connection itself, which has no more use for
 * a piece when it says that it is written, so that its memory goes back then.
 */
export function writePieces(out: Writable, pieces: readonly Uint8Array[], isSocket = false): boolean {
  if (pieces.length > 1) out.cork();
  let hasRoom = true;
  for (const piece of pieces) hasRoom = isSocket ? out.write(piece, () => freeIfTaken(piece)) : out.write(piece);
  if (pieces.length > 1) out.uncork();
  return hasRoom;
}
