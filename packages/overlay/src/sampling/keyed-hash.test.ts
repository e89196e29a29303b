import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { KeyedHash, mixHash } from './keyed-hash.ts';

/** Of the reference implementation, key 00 … 07, message 00 01 02 … of that length, 64 bits out. */
const vectors: readonly (readonly [number, string])[] = [
  [0, '218d1f59b9b83cc8'],
  [1, 'be552412f8387315'],
  [3, 'ce0f1a45f7060679'],
  [4, 'd5e78a175be52ea1'],
  [7, 'ff202728b07bc684'],
  [8, 'edfee820bce4858c'],
  [63, '2ea63c71bf326087'],
];

describe('the keyed hash', () => {
  it.each(vectors)('gives the reference vector of %i bytes', (length, expected) => {
    const hash = new KeyedHash({ key: [0x03020100, 0x07060504] });
    const text = String.fromCharCode(...Array.from({ length }, (_, index) => index));
    const { first, second } = hash.of(text);
    const bytes = Buffer.alloc(8);
    bytes.writeInt32LE(first, 0);
    bytes.writeInt32LE(second, 4);
    expect(bytes.toString('hex')).toBe(expected);
  });

  it('differs between nodes, so that an id cannot be chosen to be liked by them', () => {
    const one = new KeyedHash({ random: createSeededRandom(1) });
    const other = new KeyedHash({ random: createSeededRandom(2) });
    expect(one.of('12D3KooWsomebody')).not.toEqual(other.of('12D3KooWsomebody'));
  });

  it('is spread evenly by each seed', () => {
    const hash = new KeyedHash({ random: createSeededRandom(3) });
    const buckets = new Array<number>(16).fill(0);
    for (let id = 0; id < 16_000; id += 1) {
      const bucket = mixHash(hash.of(`id ${id}`), 17, 4) >>> 28;
      buckets[bucket] = (buckets[bucket] as number) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(160); // five standard deviations
  });
});
