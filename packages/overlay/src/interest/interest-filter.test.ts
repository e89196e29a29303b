import { createSeededRandom } from '@pulsemesh/base';
import { encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countCommonBits,
  decodeFilter,
  defaultFilterShape,
  drawFilter,
  FilterRefusedError,
  filterLimits,
  hasBit,
} from './interest-filter.ts';
import { flipProbability, noiseWords } from './noise.ts';

const shape = defaultFilterShape;
const random = createSeededRandom(1);
const key = random.bytes(32);
const draw = (epsilon = 3, salt = random.bytes(16)) => ({ shape, epsilonMilli: epsilon * 1_000, epoch: 3, salt });

describe('the noise of a filter', () => {
  it('turns bits over as often as ε says, never less', () => {
    for (const epsilon of [0.25, 1, 2, 3, 5, 10]) {
      const probability = flipProbability(epsilon, 1);
      expect(probability).toBeGreaterThanOrEqual(1 / (1 + Math.exp(epsilon)));
      expect(probability).toBeCloseTo(1 / (1 + Math.exp(epsilon)), 4);
    }
    expect(flipProbability(3, 1)).toBeCloseTo(0.0474, 4);
    expect(flipProbability(7, 7)).toBeCloseTo(flipProbability(1, 1), 4);
  });

  it('is the same for one key and salt, and another for another', () => {
    const salt = random.bytes(16);
    expect(noiseWords(key, salt, 4_096, 0.1)).toEqual(noiseWords(key, salt, 4_096, 0.1));
    expect(noiseWords(key, random.bytes(16), 4_096, 0.1)).not.toEqual(noiseWords(key, salt, 4_096, 0.1));
    expect(noiseWords(random.bytes(32), salt, 4_096, 0.1)).not.toEqual(noiseWords(key, salt, 4_096, 0.1));
  });

  it('makes no outcome of a bit more than e^ε times as likely for a reader than for another (10^5 draws)', () => {
    const position = 77;
    for (const epsilon of [1, 2, 3]) {
      const draws = 50_000;
      // Different bits of many filters are different draws: 4,096 at a time.
      const share = (isSet: boolean) => {
        let ones = 0;
        for (let filter = 0; filter * shape.bits < draws; filter += 1) {
          const positions = isSet ? Array.from({ length: shape.bits }, (_, index) => index) : [];
          const made = drawFilter(draw(epsilon), positions, random.bytes(32));
          ones += made.setBits;
        }
        return ones / (Math.ceil(draws / shape.bits) * shape.bits);
      };
      const [reader, other] = [share(true), share(false)];
      const margin = 1 + (4 * Math.exp(epsilon / 2)) / Math.sqrt(draws); // four deviations of the rarer outcome
      expect(reader / other).toBeLessThanOrEqual(Math.exp(epsilon) * margin);
      expect((1 - other) / (1 - reader)).toBeLessThanOrEqual(Math.exp(epsilon) * margin);
      expect(reader / other).toBeGreaterThan(Math.exp(epsilon) / margin);
    }
    expect(hasBit(drawFilter({ ...draw(), epsilonMilli: 20_000 }, [position], key), position)).toBe(true);
  });
});

describe('a filter as bytes', () => {
  it('reads back as it was drawn', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(4_095), { maxLength: 100 }),
        fc.integer({ min: 1, max: 12 }),
        (set, epsilon) => {
          const made = drawFilter(draw(epsilon), set, key);
          const read = decodeFilter(made.bytes.slice());
          expect(read).toEqual(made);
          expect(countCommonBits(read, made)).toBe(made.setBits);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is one object for one array, so that a thousand nodes of a process hold it once', () => {
    const { bytes } = drawFilter(draw(), [1, 2], key);
    expect(decodeFilter(bytes)).toBe(decodeFilter(bytes));
  });

  it('is refused when poisoned: all ones, all zeros, half ones, or with more topics than anybody reads', () => {
    const poisoned = (share: number, epsilonMilli = 3_000) => {
      const body = Uint8Array.from({ length: 512 }, () => {
        let byte = 0;
        for (let bit = 0; bit < 8; bit += 1) byte |= random.float() < share ? 1 << bit : 0;
        return byte;
      });
      return encodeCbor([1, 4_096, 1, epsilonMilli, 3, random.bytes(16), body]);
    };
    for (const share of [0, 0.5, 1, 0.25]) expect(() => decodeFilter(poisoned(share))).toThrow(FilterRefusedError);
    expect(() => decodeFilter(poisoned(1, filterLimits.epsilonMilliMin))).toThrow(FilterRefusedError);
    expect(decodeFilter(poisoned(0.06)).setBits).toBeGreaterThan(0);
  });

  it('is refused past its limits', () => {
    const fields = (change: Record<number, unknown>) => {
      const list: unknown[] = [1, 4_096, 1, 3_000, 3, random.bytes(16), drawBody()];
      for (const [index, value] of Object.entries(change)) list[Number(index)] = value;
      return encodeCbor(list);
    };
    expect(decodeFilter(fields({})).epsilonMilli).toBe(3_000);
    const wrong: Record<number, unknown>[] = [
      { 0: 2 },
      { 1: filterLimits.bitsMax * 2 },
      { 1: 4_095 },
      { 1: filterLimits.bitsMin / 2, 6: new Uint8Array(16) },
      { 2: 0 },
      { 2: filterLimits.hashesMax + 1 },
      { 3: filterLimits.epsilonMilliMin - 1 },
      { 3: filterLimits.epsilonMilliMax + 1 },
      { 3: 3.5 },
      { 4: -1 },
      { 5: new Uint8Array(15) },
      { 6: new Uint8Array(513) },
      { 6: 'bits' },
    ];
    for (const change of wrong) expect(() => decodeFilter(fields(change))).toThrow(FilterRefusedError);
  });

  it('gives nothing but the one refusal for any bytes', () => {
    const { bytes } = drawFilter(draw(), [5], key);
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 2_000 }), mutationsOf(bytes)), (input) => {
        try {
          decodeFilter(input);
        } catch (error) {
          expect(error).toBeInstanceOf(FilterRefusedError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

const drawBody = () => {
  const { words } = drawFilter(draw(), [], key);
  return new Uint8Array(words.buffer.slice(0));
};

function mutationsOf(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.tuple(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length)).map(([at, value, length]) => {
    const copy = bytes.slice(0, length);
    copy[at] = value;
    return copy;
  });
}
