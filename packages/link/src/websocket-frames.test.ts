import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { applyMask, maskedMessage, messagePieces, takePayloads } from './websocket-frames.ts';

const lengths = [0, 1, 2, 3, 4, 5, 7, 125, 126, 127, 4_096, 9_000, 65_535, 65_536, 70_000];

/** What one end of `ws` makes of these bytes, given in pieces of this length. */
function readWithWs(bytes: Uint8Array, count: number, isServer: boolean, pieceBytes: number): Promise<Buffer[]> {
  const Receiving = WebSocket as unknown as new (
    address: null,
    protocols: undefined,
    options: object,
  ) => WebSocket & { _isServer: boolean; setSocket(socket: PassThrough, head: Buffer, options: object): void };
  const socket = new Receiving(null, undefined, { autoPong: false });
  socket._isServer = isServer;
  const wire = new PassThrough();
  socket.setSocket(wire, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 0 });
  takePayloads(socket);
  const messages: Buffer[] = [];
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data) => {
      if (messages.push(data as Buffer) === count) resolve(messages);
    });
    for (let from = 0; from < bytes.length; from += pieceBytes) wire.write(bytes.slice(from, from + pieceBytes));
  });
}

describe('frames of a WebSocket', () => {
  it('masks as RFC 6455 §5.3 says, wherever the bytes lie', () => {
    const mask = fc.uint8Array({ minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), mask, fc.nat(7), (payload, key, offset) => {
        const bytes = new Uint8Array(offset + payload.length).subarray(offset);
        bytes.set(payload);
        applyMask(bytes, key);
        expect([...bytes]).toEqual([...payload].map((byte, index) => byte ^ (key[index & 3] as number)));
      }),
    );
  });

  it.each([true, false])('are read by ws as the same messages, masked %s', async (isMasked) => {
    const packetLengths = fc.array(fc.constantFrom(...lengths), { minLength: 1, maxLength: 4 });
    const key = fc.uint8Array({ minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(packetLengths, key, fc.integer({ min: 500, max: 70_000 }), async (chosen, mask, pieceBytes) => {
        const packets = chosen.map((length, index) => Buffer.alloc(length, index + 1));
        const pieces = isMasked ? packets.map((packet) => maskedMessage(packet, mask)) : messagePieces(packets);
        expect(await readWithWs(Buffer.concat(pieces), packets.length, isMasked, pieceBytes)).toEqual(packets);
      }),
      { numRuns: 30 },
    );
  });
});
