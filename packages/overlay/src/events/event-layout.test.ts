import { encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headBytesOf, layoutOfEvent } from './event-layout.ts';

const parts = fc.record({
  route: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  classCode: fc.oneof(fc.nat(1), fc.nat(70_000)),
  publishedAtMs: fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 2 ** 32)),
  sealed: fc.uint8Array({ maxLength: 300 }),
});

describe('the layout of an event', () => {
  it('is found in what the CBOR encoder made, with the bytes that the seal is bound to', () => {
    fc.assert(
      fc.property(parts, ({ route, classCode, publishedAtMs, sealed }) => {
        const bytes = encodeCbor([1, route, classCode, publishedAtMs, sealed]);
        const layout = layoutOfEvent(bytes);
        expect(layout).toMatchObject({ route, classCode, publishedAtMs, sealed });
        expect(layout && headBytesOf(bytes, layout)).toEqual(encodeCbor([1, route, classCode, publishedAtMs]));
      }),
    );
  });

  it('is that of no other bytes: whatever it accepts the encoder makes of its parts', () => {
    const altered = fc.tuple(parts, fc.nat(60), fc.nat(255), fc.nat(400)).map(([one, at, byte, length]) => {
      const bytes = encodeCbor([1, one.route, one.classCode, one.publishedAtMs, one.sealed]).slice();
      bytes[at % bytes.length] = byte;
      return bytes.slice(0, Math.max(1, length));
    });
    fc.assert(
      fc.property(fc.oneof(altered, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        const layout = layoutOfEvent(bytes);
        if (layout === null) return;
        const { route, classCode, publishedAtMs, sealed } = layout;
        expect(encodeCbor([1, route, classCode, publishedAtMs, sealed])).toEqual(bytes);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is none where a number is longer than it need be, or larger than a safe integer', () => {
    const route = new Array(16).fill(7);
    const event = (...time: number[]) => Uint8Array.of(0x85, 1, 0x50, ...route, 0, ...time, 0x41, 9);
    expect(layoutOfEvent(event(0x19, 1, 0))?.publishedAtMs).toBe(256);
    expect(layoutOfEvent(event(0x1a, 0, 0, 1, 0))).toBeNull();
    expect(layoutOfEvent(event(0x1b, 255, 255, 255, 255, 255, 255, 255, 255))).toBeNull();
    expect(layoutOfEvent(event(0x1f))).toBeNull();
  });
});
