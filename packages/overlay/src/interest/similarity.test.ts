import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createTopic, type Topic } from '../topic.ts';
import { exactInterest } from './exact-interest.ts';
import { decodeFilter, defaultFilterShape, drawFilter, type InterestFilter } from './interest-filter.ts';
import { isCopyOf, similarityOfTwo, similarityToMine } from './similarity.ts';

const shape = defaultFilterShape;
const random = createSeededRandom(2);
const topics = Array.from({ length: 200 }, (_, index) => createTopic(`topic ${index}`));
const mine = exactInterest(topics.slice(0, 40), 0, shape);
const filterOf = (set: readonly Topic[], epsilon = 3, epoch = 0): InterestFilter =>
  drawFilter(
    { shape, epsilonMilli: epsilon * 1_000, epoch, salt: random.bytes(16) },
    exactInterest(set, epoch, shape).positions,
    random.bytes(32),
  );
const meanOf = (count: number, value: () => number) =>
  Array.from({ length: count }, value).reduce((total, one) => total + one, 0) / count;

describe('similarity of our exact interest with a noisy filter', () => {
  it('takes the noise out: the same mean at every ε where a raw cosine says 0.3 whatever the overlap', () => {
    for (const overlap of [10, 20, 30]) {
      const theirs = topics.slice(40 - overlap, 80 - overlap);
      for (const epsilon of [2, 3, 5, 10]) {
        const { flip } = filterOf(theirs, epsilon);
        const reliability = (1 - 2 * flip) ** 2 / ((1 - 2 * flip) ** 2 + flip * (1 - flip));
        const mean = meanOf(200, () => similarityToMine(mine, filterOf(theirs, epsilon))) / reliability;
        expect(Math.abs(mean - overlap / 40)).toBeLessThan(0.07);
      }
    }
  });

  it('is 0 for another epoch, another shape, and while we read nothing', () => {
    const theirs = topics.slice(0, 40);
    expect(similarityToMine(mine, filterOf(theirs, 10, 1))).toBe(0);
    expect(similarityToMine(exactInterest(theirs, 0, { bits: 1_024, hashes: 1 }), filterOf(theirs))).toBe(0);
    expect(similarityToMine(exactInterest([], 0, shape), filterOf(theirs))).toBe(0);
    expect(similarityOfTwo(filterOf(theirs), filterOf(theirs, 3, 1))).toBe(0);
  });

  it('counts a topic in need twice', () => {
    const needed = topics[39];
    const weighted = exactInterest(topics.slice(0, 40), 0, shape, (topic) => topic === needed);
    const reader = filterOf(topics.slice(30, 70), 10);
    const other = filterOf(topics.slice(29, 39).concat(topics.slice(100, 130)), 10);
    expect(Math.abs(similarityToMine(mine, reader) - similarityToMine(mine, other))).toBeLessThan(0.02);
    expect(similarityToMine(weighted, reader)).toBeGreaterThan(similarityToMine(weighted, other) + 0.01);
  });

  it('of two noisy filters grows with what they share', () => {
    const one = () => filterOf(topics.slice(0, 40));
    const near = meanOf(100, () => similarityOfTwo(one(), filterOf(topics.slice(5, 45))));
    const far = meanOf(100, () => similarityOfTwo(one(), filterOf(topics.slice(40, 80))));
    expect(near).toBeGreaterThan(far + 0.4);
  });
});

describe('a poisoned filter', () => {
  // What peers of other interests reach with honest filters, the best of a hundred.
  const honestBest = () =>
    Math.max(
      ...Array.from({ length: 100 }, () => similarityToMine(mine, filterOf(random.shuffle(topics).slice(0, 40)))),
    );

  it('that claims every topic it may is no better than an honest stranger', () => {
    const greedy = exactInterest(
      Array.from({ length: 480 }, (_, index) => createTopic(`other ${index}`)),
      0,
      shape,
    );
    const draw = { shape, epsilonMilli: 20_000, epoch: 0, salt: random.bytes(16) };
    const full = decodeFilter(drawFilter(draw, greedy.positions, random.bytes(32)).bytes.slice());
    expect(similarityToMine(mine, full)).toBeLessThanOrEqual(honestBest());
  });

  it('of random bits under the smallest ε wins nothing by chance, for it is believed little', () => {
    const best = Math.max(...Array.from({ length: 100 }, () => similarityToMine(mine, filterOf([], 0.25))));
    expect(best).toBeLessThanOrEqual(honestBest());
  });

  it('that is a copy of our own is seen as one; a twin who reads the same is not', () => {
    const ours = filterOf(topics.slice(0, 40));
    const copy = drawFilter(
      { shape, epsilonMilli: 10_000, epoch: 0, salt: random.bytes(16) },
      Array.from({ length: shape.bits }, (_, at) => at).filter((at) => ((ours.words[at >>> 5] ?? 0) >>> (at & 31)) & 1),
      random.bytes(32),
    );
    expect(isCopyOf(ours, ours)).toBe(true);
    expect(isCopyOf(ours, copy)).toBe(true);
    for (let twin = 0; twin < 100; twin += 1) expect(isCopyOf(ours, filterOf(topics.slice(0, 40)))).toBe(false);
  });
});
