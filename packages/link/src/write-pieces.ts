import type { Writable } from 'node:stream';

/** Up to this many bytes one copy is cheaper than one more piece in a write. */
const joinedBytesMax = 8 * 1024;

/**
 * Each packet after its header, to be written in one go. Long packets are not copied: the copies of a busy server are memory outside
 * of V8's heap, and that is what brings on its dearest collections.
 */
export function piecesOf(
  packets: readonly Uint8Array[],
  headerOf: (packetBytes: number) => Uint8Array,
): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const packet of packets) {
    const header = headerOf(packet.length);
    pieces.push(header, packet);
    bytes += header.length + packet.length;
  }
  return bytes <= joinedBytesMax ? [Buffer.concat(pieces, bytes)] : pieces;
}

/** Writes the pieces at once; says whether there is room for more. */
export function writePieces(out: Writable, pieces: readonly Uint8Array[]): boolean {
  if (pieces.length > 1) out.cork();
  let hasRoom = true;
  for (const piece of pieces) hasRoom = out.write(piece);
  if (pieces.length > 1) out.uncork();
  return hasRoom;
}
