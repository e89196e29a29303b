import type WebSocket from 'ws';
import { piecesOf } from './write-pieces.ts';

const finalBinary = 0x82;
const maskBit = 0x80;
const maskBytes = 4;

/** Each packet as one unmasked binary message (RFC 6455 §5.2), to be written in one go. */
export function messagePieces(packets: readonly Uint8Array[]): readonly Uint8Array[] {
  return piecesOf(packets, (packetBytes) => writeHeader(new Uint8Array(headerBytes(packetBytes)), packetBytes, 0));
}

/** One packet as a binary message under this mask of 4 bytes, as a client has to send it. */
export function maskedMessage(packet: Uint8Array, mask: Uint8Array): Uint8Array {
  const header = headerBytes(packet.length);
  const message = writeHeader(new Uint8Array(header + maskBytes + packet.length), packet.length, maskBit);
  message.set(mask, header);
  const payload = message.subarray(header + maskBytes);
  payload.set(packet);
  applyMask(payload, mask);
  return message;
}

function headerBytes(packetBytes: number): number {
  return packetBytes < 126 ? 2 : packetBytes < 65_536 ? 4 : 10;
}

function writeHeader(target: Uint8Array, packetBytes: number, flag: number): Uint8Array {
  target[0] = finalBinary;
  if (packetBytes < 126) target[1] = flag | packetBytes;
  else {
    const lengthBytes = packetBytes < 65_536 ? 2 : 8;
    target[1] = flag | (lengthBytes === 2 ? 126 : 127);
    // Packets are far below 2^32 bytes: the upper half of the long form stays zero.
    for (let index = 0; index < Math.min(lengthBytes, 4); index += 1) {
      target[1 + lengthBytes - index] = packetBytes >>> (8 * index);
    }
  }
  return target;
}

/** Masks or unmasks in place (RFC 6455 §5.3), four bytes at a time where there are many: `ws` does it byte by byte. */
export function applyMask(bytes: Uint8Array, mask: Uint8Array): void {
  // Words can only be seen where their place in memory is a multiple of four.
  const head = Math.min(bytes.length, -bytes.byteOffset & 3);
  const wordCount = (bytes.length - head) >>> 2;
  const tail = head + wordCount * 4;
  for (let index = 0; index < head; index += 1) bytes[index] = (bytes[index] as number) ^ (mask[index] as number);
  for (let index = tail; index < bytes.length; index += 1) {
    bytes[index] = (bytes[index] as number) ^ (mask[index & 3] as number);
  }
  if (wordCount === 0) return;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + head, wordCount);
  const turned = Uint8Array.from({ length: maskBytes }, (_, index) => mask[(head + index) & 3] as number);
  const wordMask = new Uint32Array(turned.buffer)[0] as number;
  for (let index = 0; index < wordCount; index += 1) words[index] = (words[index] as number) ^ wordMask;
}

/** What of the receiver of `ws` 8.23 is used here. */
interface Receiver {
  readonly _state: number;
  readonly _masked: boolean;
  _mask: Uint8Array | undefined;
  consume(count: number): Buffer;
}

/** The receiver's state in which it takes a payload. */
const stateOfData = 4;
const noMask = new Uint8Array(maskBytes);

/**
 * Lets `ws` find payloads unmasked already, a fifth of what a busy server does. It has no public way to this but an add-on in C;
 * with another version whose receiver looks different, it unmasks by itself as ever.
 */
export function unmaskByWords(socket: WebSocket): void {
  const receiver = (socket as unknown as { readonly _receiver?: Receiver })._receiver;
  if (receiver === undefined) return;
  const consume = receiver.consume;
  receiver.consume = function (this: Receiver, count: number): Buffer {
    const bytes = consume.call(this, count);
    if (this._state === stateOfData && this._masked && this._mask !== undefined) {
      applyMask(bytes, this._mask);
      this._mask = noMask;
    }
    return bytes;
  };
}
