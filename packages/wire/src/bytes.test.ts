import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, concatBytes, equalBytes, fromHex, toHex } from './bytes.ts';
import { contentId, shortContentId } from './content-id.ts';
import { DecodeError } from './errors.ts';

describe('bytes', () => {
  it('reads back the hex it wrote', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => equalBytes(fromHex(toHex(bytes)), bytes)));
  });

  it.each(['0', 'AB', 'zz', '0x'])('refuses %s as hex', (text) => {
    expect(() => fromHex(text)).toThrow(DecodeError);
  });

  it('refuses hex of another length than asked', () => {
    expect(fromHex('00ff', 2)).toEqual(Uint8Array.of(0, 255));
    expect(() => fromHex('00ff', 3)).toThrow(DecodeError);
  });

  it('orders as Buffer does', () => {
    const some = fc.uint8Array({ maxLength: 6, max: 3 });
    fc.assert(
      fc.property(some, some, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });

  it('joins parts in order', () => {
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('names content by its SHA-256 (FIPS 180-2, appendix B.1)', () => {
    const abc = new TextEncoder().encode('abc');
    expect(contentId(abc)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(shortContentId(abc)).toBe('ba7816bf8f01cfea');
  });
});
