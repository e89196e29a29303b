import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameGuard } from './frame-guard.ts';

function packetOf(bodyBytes: number): number[] {
  const length: number[] = [];
  let left = bodyBytes;
  do {
    length.push((left % 128) + (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return [0x30, ...length, ...new Array<number>(bodyBytes).fill(0xff)];
}

describe('FrameGuard', () => {
  it('lets packets up to the limit pass, however they are cut', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 50 }), (bodies, chunkBytes) => {
        const stream = Uint8Array.from(bodies.flatMap(packetOf));
        const guard = new FrameGuard(300);
        for (let at = 0; at < stream.length; at += chunkBytes) guard.check(stream.subarray(at, at + chunkBytes));
        const oversize = Uint8Array.from(packetOf(301).slice(0, 3));
        expect(() => guard.check(oversize)).toThrow(expect.objectContaining({ code: 'packet-too-large' }));
      }),
    );
  });

  it('refuses a length that never ends', () => {
    const guard = new FrameGuard(2 ** 40);
    expect(() => guard.check(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff))).toThrow();
  });
});
