import type WebSocket from 'ws';
import { markJoined, takeWithRoom } from './packet-memory.ts';
import { piecesOf } from './write-pieces.ts';

const finalBinary = 0x82;
const maskBit = 0x80;
const maskBytes = 4;

/** Each packet as one unmasked binary message (RFC 6455 §5.2), to be written in one go. */
export function messagePieces(packets: readonly Uint8Array[]): readonly Uint8Array[] {
  return piecesOf(packets, (packetBytes) => writeHeader(new Uint8Array(headerBytes(packetBytes)), packetBytes, 0));
}

/** One packet as a binary message under this mask of 4 bytes, as a client has to send it; in the packet's own memory where that has room. */
export function maskedMessage(packet: Uint8Array, mask: Uint8Array): Uint8Array {
  const packetBytes = packet.length;
  const header = headerBytes(packetBytes);
  const message = takeWithRoom(packet, header + maskBytes) ?? copyAfter(header + maskBytes, packet);
  writeHeader(message, packetBytes, maskBit);
  message.set(mask, header);
  applyMask(message.subarray(header + maskBytes), mask);
  return message;
}

function copyAfter(headBytes: number, packet: Uint8Array): Uint8Array {
  const message = new Uint8Array(headBytes + packet.length);
  message.set(packet, headBytes);
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
  readonly _buffers: readonly Buffer[];
  _mask: Uint8Array | undefined;
  consume(count: number): Buffer;
}

/** The receiver's state in which it takes a payload. */
const stateOfData = 4;
const noMask = new Uint8Array(maskBytes);

/**
 * Lets `ws` find payloads unmasked already, a fifth of what a busy server does, and marks those that it put together, so that they are
 * freed when they were opened. It has no public way to this but an add-on in C; with another version whose receiver looks different, it
 * goes on by itself as ever.
 */
export function takePayloads(socket: WebSocket): void {
  const receiver = (socket as unknown as { readonly _receiver?: Receiver })._receiver;
  if (receiver === undefined) return;
  const consume = receiver.consume;
  receiver.consume = function (this: Receiver, count: number): Buffer {
    const isPayload = this._state === stateOfData;
    const isJoined = isPayload && (this._buffers?.[0]?.length ?? count) < count;
    const bytes = consume.call(this, count);
    if (isJoined) markJoined(bytes);
    if (isPayload && this._masked && this._mask !== undefined) {
      applyMask(bytes, this._mask);
      this._mask = noMask;
    }
    return bytes;
  };
}
