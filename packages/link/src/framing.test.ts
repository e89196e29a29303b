import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, framePackets } from './framing.ts';

describe('the framing of packets', () => {
  it('gives back the same packets, in whatever pieces they arrive', () => {
    const packets = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (sent, cuts) => {
        const bytes = framePackets(sent);
        const reader = new FrameReader();
        const got: Uint8Array[] = [];
        let offset = 0;
        for (let turn = 0; offset < bytes.length; turn += 1) {
          const end = offset + (cuts[turn % cuts.length] as number);
          reader.push(bytes.subarray(offset, end), (packet) => got.push(packet.slice()));
          offset = end;
        }
        expect(got).toEqual(sent);
        expect(reader.isAtBoundary).toBe(true);
      }),
    );
  });

  it('takes a packet of the greatest length and refuses one byte more, before it is there', () => {
    const reader = new FrameReader({ packetBytesMax: 8 });
    const got: number[] = [];
    reader.push(framePackets([new Uint8Array(8)]), (packet) => got.push(packet.length));
    expect(got).toEqual([8]);
    expect(() => reader.push(new Uint8Array([0, 0, 0, 0, 9]), () => {})).toThrow(DecodeError);
  });

  it('refuses a compressed frame', () => {
    expect(() => new FrameReader().push(new Uint8Array([1, 0, 0, 0, 0]), () => {})).toThrow(DecodeError);
  });

  it('knows that a sequence ended inside a packet', () => {
    const reader = new FrameReader();
    reader.push(framePackets([new Uint8Array(8)]).subarray(0, 9), () => {});
    expect(reader.isAtBoundary).toBe(false);
  });
});
