import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { framedPacketBytesMax } from '../../framing.ts';
import { decodeBase64, EventStreamReader } from './event-stream-reader.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe('the reader of server-sent events', () => {
  it('gives back the packets in whatever pieces the events arrive, and skips everything else', () => {
    const packets = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 });
    const noise = fc.constantFrom('', ': still here\n\n', 'event: x\n', 'retry: 3\n');
    fc.assert(
      fc.property(
        packets,
        noise,
        fc.constantFrom('\n', '\r\n'),
        fc.integer({ min: 1, max: 50 }),
        (sent, skipped, end, step) => {
          const text = sent
            .map((packet) => `${skipped}data: ${Buffer.from(packet).toString('base64')}${end}${end}`)
            .join('');
          const bytes = bytesOf(text);
          const reader = new EventStreamReader();
          const got: Uint8Array[] = [];
          for (let at = 0; at < bytes.length; at += step) {
            reader.push(bytes.subarray(at, at + step), (packet) => got.push(packet));
          }
          expect(got).toEqual(sent);
          expect(reader.isAtBoundary).toBe(true);
        },
      ),
    );
  });

  it('refuses a line longer than a packet can be', () => {
    const reader = new EventStreamReader();
    expect(() => reader.push(new Uint8Array(framedPacketBytesMax * 1.5).fill(0x61), () => {})).toThrow(DecodeError);
  });

  it('throws nothing but DecodeError on any data', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          decodeBase64(bytesOf(text));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});
