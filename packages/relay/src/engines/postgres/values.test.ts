import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteaArray, hexOf, numberArray } from './values.ts';

describe('values as PostgreSQL reads them', () => {
  it('are hex, and arrays of hex, null and numbers', () => {
    expect(byteaArray([])).toBe('{}');
    expect(byteaArray(['00ff', null, ''])).toBe('{"\\\\x00ff",NULL,"\\\\x"}');
    expect(numberArray([])).toBe('{}');
    expect(numberArray([1, 2 ** 53 - 1])).toBe('{1,9007199254740991}');
  });

  it('take bytes from within a buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(8), (bytes, from) => {
        const start = Math.min(from, bytes.length);
        expect(hexOf(bytes.subarray(start))).toBe(Buffer.from(bytes.slice(start)).toString('hex'));
      }),
    );
  });
});
