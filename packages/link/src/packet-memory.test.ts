import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  createRoomyPacket,
  freeIfJoined,
  freeIfTaken,
  markJoined,
  packetRoomBytes,
  takeWithRoom,
} from './packet-memory.ts';
import { maskedMessage, messagePieces } from './websocket-frames.ts';
import { writePieces } from './write-pieces.ts';

const longBytes = 40_000;

describe('the memory of packets', () => {
  it('is taken over by one carrier once: a second one copies', () => {
    const packet = createRoomyPacket(longBytes).fill(7);
    expect(takeWithRoom(packet, 4)?.buffer).toBe(packet.buffer);
    expect(takeWithRoom(packet, 4)).toBeNull();
    const [header, copied] = messagePieces([packet]);
    expect(header?.length).toBe(4);
    expect(copied).toBe(packet);
  });

  it('is not taken from packets that lie in the same place of memory from elsewhere, or in a part of a roomy one', () => {
    expect(takeWithRoom(new Uint8Array(packetRoomBytes + 9).subarray(packetRoomBytes), 4)).toBeNull();
    expect(takeWithRoom(createRoomyPacket(9).subarray(1), 4)).toBeNull();
  });

  it('holds the same frame whether there is room before the packet or not', () => {
    const mask = Uint8Array.of(1, 2, 3, 4);
    for (const bytes of [0, 125, 126, 9_000, 65_535, 65_536]) {
      const plain = new Uint8Array(bytes).fill(9);
      expect(Buffer.concat(messagePieces([createRoomyPacket(bytes).fill(9)]))).toEqual(
        Buffer.concat(messagePieces([plain])),
      );
      expect(maskedMessage(createRoomyPacket(bytes).fill(9), mask)).toEqual(maskedMessage(plain, mask));
    }
  });

  it('goes back once a connection has written a packet, and not before', () => {
    let finish: () => void = () => undefined;
    const out = new Writable({
      write: (_piece, _encoding, done) => {
        finish = done;
      },
    });
    const [piece] = messagePieces([createRoomyPacket(longBytes).fill(5)]) as [Uint8Array];
    writePieces(out, [piece], true);
    expect(piece[longBytes]).toBe(5);
    finish();
    return new Promise<void>((resolve) => out.end(resolve)).then(() => expect(piece.length).toBe(0));
  });

  it('never goes back where it was not taken, or not put together for one packet alone', () => {
    const own = new Uint8Array(longBytes);
    freeIfTaken(own);
    freeIfJoined(own);
    expect(own.length).toBe(longBytes);
    const shared = own.subarray(0, longBytes - 1);
    markJoined(shared);
    freeIfJoined(shared);
    expect(own.length).toBe(longBytes);
    markJoined(own);
    freeIfJoined(own);
    expect(own.length).toBe(0);
  });
});
