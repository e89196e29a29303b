import { DecodeError } from '@pulsemesh/wire';
import { framedPacketBytesMax } from '../../framing.ts';

const lineBytesMax = Math.ceil(framedPacketBytesMax / 3) * 4 + 16;
const newline = 0x0a;
const carriageReturn = 0x0d;
const prefix = [0x64, 0x61, 0x74, 0x61, 0x3a]; // "data:"

/**
 * Reads packets from server-sent events (WHATWG HTML §9.2): one `data:` line of base64 each; everything else (comments that
 * keep a box from cutting, event names) is skipped. Holds at most one line.
 */
export class EventStreamReader {
  #held: Uint8Array = new Uint8Array(0);

  /** True between two lines. */
  get isAtBoundary(): boolean {
    return this.#held.length === 0;
  }

  /** @throws {DecodeError} when a line is over a packet's length, or its data not base64. */
  push(piece: Uint8Array, onPacket: (packet: Uint8Array) => void): void {
    let start = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, start)) {
      const line = joined(this.#held, piece.subarray(start, end));
      this.#held = new Uint8Array(0);
      start = end + 1;
      const packet = packetOfLine(line);
      if (packet !== null) onPacket(packet);
    }
    if (start < piece.length) this.#held = joined(this.#held, piece.subarray(start));
    if (this.#held.length > lineBytesMax) throw new DecodeError('an event longer than a packet can be');
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function packetOfLine(line: Uint8Array): Uint8Array | null {
  for (let index = 0; index < prefix.length; index += 1) if (line[index] !== prefix[index]) return null;
  const start = line[prefix.length] === 0x20 ? prefix.length + 1 : prefix.length;
  const end = line[line.length - 1] === carriageReturn ? line.length - 1 : line.length;
  return decodeBase64(line.subarray(start, end));
}

const base64Value = new Uint8Array(256).fill(0xff);
for (const [value, character] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  base64Value[character.charCodeAt(0)] = value;
}

const padding = 0x3d;

/** Base64 (RFC 4648 §4) from its characters as bytes; the same in Node and in a browser. */
export function decodeBase64(text: Uint8Array): Uint8Array {
  let length = text.length;
  if (length % 4 !== 0) throw new DecodeError('base64 of a wrong length');
  while (length > text.length - 2 && text[length - 1] === padding) length -= 1;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (let index = 0; index < length; index += 1) {
    const value = base64Value[text[index] as number] as number;
    if (value === 0xff) throw new DecodeError('not base64');
    held = (held << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = held >>> bits;
    at += 1;
    held &= (1 << bits) - 1;
  }
  return bytes;
}
