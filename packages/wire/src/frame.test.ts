import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from './bytes.ts';
import { DecodeError } from './errors.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';

describe('FrameDecoder', () => {
  it('gives back the payloads however the stream is cut', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 });
    fc.assert(
      fc.property(payloads, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), (sent, cuts) => {
        const stream = concatBytes(...sent.map(encodeFrame));
        const decoder = new FrameDecoder({ bytesMax: 20 });
        const received: Uint8Array[] = [];
        let position = 0;
        for (const cut of [...cuts, stream.length]) {
          for (const payload of decoder.push(stream.slice(position, position + cut))) received.push(payload);
          position += cut;
        }
        expect(received).toEqual(sent);
        expect(decoder.isAtBoundary).toBe(true);
      }),
    );
  });

  it('knows that a stream ends inside a frame', () => {
    const decoder = new FrameDecoder({ bytesMax: 10 });
    expect(decoder.push(encodeFrame(Uint8Array.of(1, 2)).subarray(0, 5))).toEqual([]);
    expect(decoder.isAtBoundary).toBe(false);
  });

  it('refuses a frame past bytesMax when it is announced, and everything after it', () => {
    const decoder = new FrameDecoder({ bytesMax: 3 });
    expect(decoder.push(encodeFrame(new Uint8Array(3)))).toHaveLength(1);
    expect(() => decoder.push(Uint8Array.of(0, 0, 0, 4))).toThrow(DecodeError);
    expect(() => decoder.push(encodeFrame(new Uint8Array(1)))).toThrow(DecodeError);
  });

  it('refuses an oversized frame whose head comes in pieces', () => {
    const decoder = new FrameDecoder({ bytesMax: 3 });
    decoder.push(Uint8Array.of(255, 255));
    expect(() => decoder.push(Uint8Array.of(255, 255))).toThrow(DecodeError);
  });
});
