import { concatBytes, DecodeError } from '@pulsemesh/wire';
import { markJoined } from './packet-memory.ts';

/** Bytes before each packet: a zero (not compressed) and the length, 4 bytes big-endian (gRPC's framing). */
export const frameHeaderBytes = 5;

/** The longest packet any carrier takes in, bytes; past it the sender is broken or hostile. */
export const framedPacketBytesMax = 1024 * 1024;

/** The header of a packet this long. */
export function frameHeader(packetBytes: number): Uint8Array {
  const header = new Uint8Array(frameHeaderBytes);
  header[1] = packetBytes >>> 24;
  header[2] = packetBytes >>> 16;
  header[3] = packetBytes >>> 8;
  header[4] = packetBytes;
  return header;
}

/** The packets one after the other, each with its header, in one new array. */
export function framePackets(packets: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const packet of packets) length += frameHeaderBytes + packet.length;
  const framed = new Uint8Array(length);
  let offset = 0;
  for (const packet of packets) {
    framed[offset + 1] = packet.length >>> 24;
    framed[offset + 2] = packet.length >>> 16;
    framed[offset + 3] = packet.length >>> 8;
    framed[offset + 4] = packet.length;
    framed.set(packet, offset + frameHeaderBytes);
    offset += frameHeaderBytes + packet.length;
  }
  return framed;
}

/** Cuts a byte sequence that arrives in any pieces into packets. Holds at most one incomplete packet. */
export class FrameReader {
  readonly #packetBytesMax: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes from the start of what is held until the next thing can be read: a header, or a whole frame. */
  #neededBytes = frameHeaderBytes;

  constructor(options: { readonly packetBytesMax?: number } = {}) {
    this.#packetBytesMax = options.packetBytesMax ?? framedPacketBytesMax;
  }

  /** True between two packets: an end of the sequence here lost nothing. */
  get isAtBoundary(): boolean {
    return this.#heldBytes === 0;
  }

  /**
   * Takes the next piece and gives the packets it completes; they may be views of `piece`.
   * @throws {DecodeError} when compressed or longer than `packetBytesMax`; the reader is of no more use then.
   */
  push(piece: Uint8Array, onPacket: (packet: Uint8Array) => void): void {
    if (this.#heldBytes + piece.length < this.#neededBytes) {
      this.#hold(piece);
      return;
    }
    const isJoined = this.#heldBytes > 0;
    const bytes = isJoined ? concatBytes(...this.#held, piece) : piece;
    this.#held = [];
    this.#heldBytes = 0;
    let offset = 0;
    for (;;) {
      this.#neededBytes = frameHeaderBytes;
      if (bytes.length - offset >= frameHeaderBytes) this.#neededBytes += this.#lengthAt(bytes, offset);
      if (bytes.length - offset < this.#neededBytes) break;
      // One packet and nothing else in memory that is nobody else's: it goes back when the packet was opened.
      if (isJoined && this.#neededBytes === bytes.length) markJoined(bytes);
      onPacket(bytes.subarray(offset + frameHeaderBytes, offset + this.#neededBytes));
      offset += this.#neededBytes;
    }
    if (offset < bytes.length) this.#hold(bytes.subarray(offset));
  }

  #hold(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#held.push(piece);
    this.#heldBytes += piece.length;
  }

  #lengthAt(bytes: Uint8Array, offset: number): number {
    if (bytes[offset] !== 0) throw new DecodeError('a frame that is not plain');
    const length = new DataView(bytes.buffer, bytes.byteOffset + offset + 1, 4).getUint32(0);
    if (length > this.#packetBytesMax)
      throw new DecodeError(`a frame of ${length} bytes, over ${this.#packetBytesMax}`);
    return length;
  }
}
