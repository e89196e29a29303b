import { AssertionError } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from './bytes.ts';
import { decodeCbor, decodeLimits, encodeCbor } from './cbor.ts';
import { DecodeError } from './errors.ts';

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'binary', maxLength: 12 }), tie('value'), { maxKeys: 5, noNullPrototype: false }),
  ),
}));

describe('deterministic CBOR', () => {
  // RFC 8949, appendix A, the rows inside our subset.
  const vectors: readonly (readonly [unknown, string])[] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [-1, '20'],
    [-1000, '3903e7'],
    [1.1, 'fb3ff199999999999a'],
    [1.5, 'f93e00'],
    [3.4028234663852886e38, 'fa7f7fffff'],
    [1.0e300, 'fb7e37e43c8800759c'],
    [2 ** -24, 'f90001'],
    [0.00006103515625, 'f90400'],
    [-4.1, 'fbc010666666666666'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [fromHex('01020304'), '4401020304'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['"\\', '62225c'],
    ['\u00fc', '62c3bc'],
    ['\u6c34', '63e6b0b4'],
    ['\ud800\udd51', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
    [['a', { b: 'c' }], '826161a161626163'],
  ];
  it.each(vectors)('writes and reads %j as RFC 8949 does', (item, hex) => {
    expect(toHex(encodeCbor(item))).toBe(hex);
    expect(encodeCbor(decodeCbor(fromHex(hex)))).toEqual(fromHex(hex));
  });

  it('reads back what it wrote, and writes that the same again', () => {
    fc.assert(
      fc.property(value, (item) => {
        const bytes = encodeCbor(item);
        expect(encodeCbor(decodeCbor(bytes))).toEqual(bytes);
      }),
    );
  });

  it('writes the same bytes whatever order the keys were set in', () => {
    expect(encodeCbor({ b: 1, aa: 2, a: 3 })).toEqual(encodeCbor({ a: 3, b: 1, aa: 2 }));
    expect(toHex(encodeCbor({ b: 1, aa: 2, a: 3 }))).toBe('a361610361620162616102');
  });

  it.each([
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    new Map(),
    new Float64Array(1),
    new Date(0),
    '\ud800',
    { a: undefined },
  ])('calls %s a bug', (item) => {
    expect(() => encodeCbor(item)).toThrow(AssertionError);
  });
});

describe('strict CBOR decoding', () => {
  it.each([
    ['an integer in more bytes than necessary', '1817'],
    ['a length in more bytes than necessary', '5801ff'],
    ['an integer past the safe range', '1bffffffffffffffff'],
    ['a negative integer past the safe range', '3b001fffffffffffff'],
    ['an integer written as a float', 'f93c00'],
    ['minus zero', 'f98000'],
    ['a float in more bytes than necessary', 'fa3fc00000'],
    ['a double that fits single precision', 'fb47efffffe0000000'],
    ['not a number', 'f97e00'],
    ['infinity', 'f97c00'],
    ['undefined', 'f7'],
    ['a simple value', 'f820'],
    ['a tag', 'c100'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite map', 'bf616101ff'],
    ['indefinite text', '7f6161ff'],
    ['a break', 'ff'],
    ['keys out of order', 'a2616201616102'],
    ['a key twice', 'a2616101616102'],
    ['a key that is a number', 'a10101'],
    ['a key that is an array', 'a18001'],
    ['malformed text', '61ff'],
    ['text with an encoded surrogate', '63eda080'],
    ['text cut inside a character', '62c3'],
    ['bytes after the item', '0000'],
    ['nothing', ''],
    ['fewer items than announced', '8301'],
    ['a huge announced array', '9affffffff'],
    ['a huge announced map', 'bb001fffffffffffff'],
    ['a huge announced byte string', '5affffffff00'],
  ])('refuses %s', (_what, hex) => {
    expect(() => decodeCbor(fromHex(hex))).toThrow(DecodeError);
  });

  it('keeps a byte order mark and a genuine replacement character', () => {
    for (const text of ['\ufeffx', '\ufffd', `${'x'.repeat(40)}\ufffd\ufeff`]) {
      expect(decodeCbor(encodeCbor(text))).toBe(text);
    }
  });

  it('reads whatever bytes either back to the very same bytes or with a DecodeError', () => {
    const head = fc.constantFrom(0x82, 0xa1, 0x61, 0xf9, 0xfa, 0xfb, 0x18, 0x19, 0x78, 0x63, 0x9f, 0xd8);
    const bytes = fc.array(fc.oneof(head, fc.nat(255)), { maxLength: 24 }).map((items) => Uint8Array.from(items));
    fc.assert(
      fc.property(bytes, (received) => {
        let item: unknown;
        try {
          item = decodeCbor(received);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          return;
        }
        expect(encodeCbor(item)).toEqual(received);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses one byte more than bytesMax and one level more than depthMax', () => {
    const nested = (depth: number) => new Uint8Array(depth).fill(0x81, 0, depth - 1).fill(0x80, depth - 1);
    expect(decodeCbor(nested(decodeLimits.depthMax))).toBeDefined();
    expect(() => decodeCbor(nested(decodeLimits.depthMax + 1))).toThrow('nested too deep');
    expect(() => decodeCbor(nested(100_000))).toThrow(DecodeError);
    expect(decodeCbor(encodeCbor('abc'), { bytesMax: 4 })).toBe('abc');
    expect(() => decodeCbor(encodeCbor('abcd'), { bytesMax: 4 })).toThrow('longer than 4 bytes');
    expect(() => decodeCbor(new Uint8Array(decodeLimits.bytesMax + 1))).toThrow(DecodeError);
  });

  it('takes __proto__ and constructor as keys like others', () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    const read = decodeCbor(encodeCbor(hostile)) as Record<string, unknown>;
    expect(Object.getPrototypeOf(read)).toBeNull();
    expect(Object.keys(read).sort()).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(encodeCbor(read)).toEqual(encodeCbor(hostile));
  });
});
