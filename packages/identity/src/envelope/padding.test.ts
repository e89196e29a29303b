import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContentTooLargeError, SealRefusedError } from './errors.ts';
import { envelopeLimits, isSizeClass, pad, sizeClasses, sizeClassOf, unpad } from './padding.ts';

describe('padding', () => {
  it('has few classes, none much longer than what is in it', () => {
    for (const size of sizeClasses) {
      expect(sizeClassOf(size)).toBe(size);
      expect(sizeClassOf(size + 1)).toBeGreaterThan(size);
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: envelopeLimits.contentBytesMax }), (bytes) => {
        const size = sizeClassOf(bytes);
        expect(isSizeClass(size)).toBe(true);
        expect(size).toBeGreaterThanOrEqual(bytes);
        expect(size).toBeLessThanOrEqual(Math.max(256, bytes >= 65_536 ? 2 * bytes : 4 * bytes));
      }),
    );
    expect(sizeClassOf(0)).toBe(256);
  });

  it('refuses what is longer than the limit, and lengths that are no class', () => {
    expect(sizeClassOf(envelopeLimits.contentBytesMax)).toBe(envelopeLimits.contentBytesMax);
    expect(() => sizeClassOf(envelopeLimits.contentBytesMax + 1)).toThrow(ContentTooLargeError);
    for (const bytes of [-1, 0, 255, 257, 2 ** 20 + 1, envelopeLimits.contentBytesMax * 2]) {
      expect(isSizeClass(bytes)).toBe(false);
    }
  });

  it('gives back what was padded, and refuses another length or padding that is not zeros', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), fc.nat(), (content, at) => {
        const padded = pad(content, 256);
        expect(unpad(padded)).toEqual(content);
        if (content.length === 256) return;
        padded[4 + content.length + (at % (256 - content.length))] = 1;
        expect(() => unpad(padded)).toThrow(SealRefusedError);
      }),
    );
    expect(() => unpad(new Uint8Array(3))).toThrow(SealRefusedError);
    expect(() => unpad(Uint8Array.of(0, 0, 0, 2, 1))).toThrow(SealRefusedError);
  });
});
