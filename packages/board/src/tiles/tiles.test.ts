import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBundle, encodeBundle } from './bundle.ts';
import { parseTilePath, tilePath, tileWidth, tileWidthAt } from './path.ts';
import { hashesOfTile } from './tile.ts';

describe('paths of tiles', () => {
  it('are those of the specification', () => {
    expect(tilePath({ level: 0, index: 1234067, width: tileWidth })).toBe('tile/0/x001/x234/067');
    expect(tilePath({ level: 0, index: 273, width: 112 })).toBe('tile/0/273.p/112');
    expect(tilePath({ level: 'entries', index: 0, width: 1 })).toBe('tile/entries/000.p/1');
    expect(tilePath({ level: 2, index: 0, width: tileWidth })).toBe('tile/2/000');
  });

  it('name what they were made of', () => {
    const names = fc.record({
      level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
      index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      width: fc.integer({ min: 1, max: tileWidth }),
    });
    fc.assert(
      fc.property(names, (name) => {
        expect(parseTilePath(tilePath(name))).toEqual(name);
      }),
    );
  });

  it.each([
    '',
    'tile/0',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/1',
    'tile/0/0000',
    'tile/0/x000/000',
    'tile/0/x001/x234',
    'tile/0/001/234',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/',
    'tile/0/000/',
    '/tile/0/000',
    'tile/entries/000.p/1\n',
    'tile/0/x999/x999/x999/x999/x999/999',
    `tile/0/${'x001/'.repeat(1000)}000`,
  ])('refuse %j', (path) => {
    expect(() => parseTilePath(path)).toThrow('not a tile path');
  });
});

describe('widths of tiles', () => {
  it("are those of the specification's tree of 70,000 leaves", () => {
    const widths = (level: number, ...indexes: number[]) => indexes.map((index) => tileWidthAt(level, index, 70_000));
    expect(widths(0, 0, 272, 273, 274)).toEqual([256, 256, 112, 0]);
    expect(widths(1, 0, 1, 2)).toEqual([256, 17, 0]);
    expect(widths(2, 0, 1)).toEqual([1, 0]);
    expect(tileWidthAt(1, 0, 256)).toBe(1);
    expect(tileWidthAt('entries', 273, 70_000)).toBe(112);
  });
});

describe('bundles', () => {
  const someEntries = fc.array(fc.uint8Array({ maxLength: 600 }), { minLength: 1, maxLength: tileWidth });

  it('give back their entries', () => {
    fc.assert(
      fc.property(someEntries, (entries) => {
        expect(decodeBundle(encodeBundle(entries), entries.length)).toEqual(entries);
      }),
    );
    const longest = new Uint8Array(0xffff).fill(3);
    expect(decodeBundle(encodeBundle([longest]), 1)).toEqual([longest]);
  });

  it('of another number of entries, or cut short, are refused', () => {
    const bundle = encodeBundle([Uint8Array.of(1), Uint8Array.of(2, 3)]);
    expect(() => decodeBundle(bundle, 1)).toThrow('more entries');
    expect(() => decodeBundle(bundle, 3)).toThrow('fewer entries');
    expect(() => decodeBundle(bundle.subarray(0, 4), 2)).toThrow('within a length');
    expect(() => decodeBundle(bundle.subarray(0, 6), 2)).toThrow('within an entry');
  });
});

describe('tiles of hashes', () => {
  it('are cut into hashes, and refused in another length', () => {
    const tile = Uint8Array.from({ length: 64 }, (_, index) => index);
    expect(hashesOfTile(tile, 2)).toEqual([tile.slice(0, 32), tile.slice(32)]);
    expect(() => hashesOfTile(tile, 1)).toThrow('another length');
    expect(() => hashesOfTile(tile.subarray(1), 2)).toThrow('another length');
  });
});
