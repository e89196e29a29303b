import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { der, derObjectId, derPositive, derTag, derTime, readDer, readOne } from './der.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

it('writes what X.690 and RFC 5280 say', () => {
  expect(hex(derObjectId('1.3.6.1.4.1.53594.1.1'))).toBe('060a2b0601040183a25a0101');
  expect(hex(derPositive(Uint8Array.of(0, 0, 0x80)))).toBe('02020080');
  expect(hex(derPositive(Uint8Array.of()))).toBe('020100');
  expect(Buffer.from(derTime(Date.UTC(2049, 11, 31, 23, 59, 59))).toString('latin1')).toBe('\x17\x0d491231235959Z');
  expect(Buffer.from(derTime(Date.UTC(2050, 0, 1))).toString('latin1')).toBe('\x18\x0f20500101000000Z');
});

it('reads back what it wrote, of any length', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 70_000, size: 'max' }), { maxLength: 4 }), (parts) => {
      const written = der(derTag.sequence, ...parts.map((part) => der(derTag.octetString, part)));
      expect(readDer(readOne(written, derTag.sequence)).map(({ contents }) => hex(contents))).toEqual(parts.map(hex));
    }),
    { numRuns: 30 },
  );
});

it('refuses all that is not DER, and never anything but so', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const elements = readDer(bytes);
        expect(hex(Buffer.concat(elements.map(({ whole }) => whole)))).toBe(hex(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
  );
});

it.each([
  ['an indefinite length', '3080020100' + '0000'],
  ['a length of more octets than it needs', '04810101'],
  ['a length past the end', '040501'],
  ['a length of four octets', '048400000001' + '01'],
  ['a tag of more than one octet', '1f810100'],
  ['a lone tag', '30'],
])('refuses %s', (_what, text) => {
  expect(() => readDer(Buffer.from(text, 'hex'))).toThrow(DecodeError);
});

it('refuses more elements than its limit', () => {
  const many = Buffer.concat(Array.from({ length: 33 }, () => der(derTag.octetString)));
  expect(readDer(many.subarray(2))).toHaveLength(32);
  expect(() => readDer(many)).toThrow(DecodeError);
});
