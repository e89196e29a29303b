import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { hintOf, type JoinMode } from '../joining/join-hint.ts';
import { InterestObserver, type ObserverFigures, observerFigures } from '../testing/interest-observer.ts';
import { createTopic, epochMs, type Topic } from '../topic.ts';
import { exactInterest, positionsOf } from './exact-interest.ts';
import { defaultFilterShape, drawFilter, hasBit, type InterestFilter } from './interest-filter.ts';
import { InterestKeeper } from './interest-keeper.ts';

// What an honest-but-curious neighbour, and one who sees everything and averages, learn of a subscription. Each device
// reads 20 of 200 topics, the observers know that and all names: their guess before is 10 %.
const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const devices = isFull ? 200 : 15;
const dayMs = 24 * 3_600_000;
const startMs = 100 * epochMs.filter;
const knowledge = { prior: 0.1, topicsEach: 20 };
const topics = Array.from({ length: 200 }, (_, index) => createTopic(`topic ${index}`));

/** All releases of one device that reads `reads`. */
type Releases = (reads: readonly Topic[], secret: Uint8Array) => readonly InterestFilter[];

function observe(name: string, releasesOf: Releases, namedBy: (topic: Topic) => Topic = (topic) => topic) {
  const random = createSeededRandom(12);
  const [inTrue, inFalse]: [number[], number[]] = [[], []];
  for (let device = 0; device < devices; device += 1) {
    const reads = random.shuffle(topics).slice(0, 20);
    const releases = releasesOf(reads, random.bytes(32));
    const read = new Set(reads);
    for (const topic of topics) {
      const observer = new InterestObserver(namedBy(topic), knowledge);
      for (const filter of releases) observer.see(filter);
      (read.has(topic) ? inTrue : inFalse).push(observer.belief);
    }
  }
  const figures = observerFigures(inTrue, inFalse);
  if (isFull) process.stdout.write(`${name}: ${rounded(figures)}\n`);
  return figures;
}

function rounded(figures: ObserverFigures): string {
  return JSON.stringify(figures, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(3)) : value));
}

function keeperOf(reads: readonly Topic[], secret: Uint8Array, epsilon: number): InterestKeeper {
  const keeper = new InterestKeeper({ secret, epsilon });
  for (const topic of reads) keeper.add(topic, startMs);
  return keeper;
}

const shownOften =
  (epsilon: number, times: number): Releases =>
  (reads, secret) => {
    const keeper = keeperOf(reads, secret, epsilon);
    return Array.from({ length: times }, (_, index) => keeper.shown(startMs + dayMs + index * 1_000)).filter(
      (filter) => filter !== undefined,
    );
  };

/** What earlier implementations do: fresh flips at every call (defect 2). */
const freshEachTime =
  (epsilon: number, times: number): Releases =>
  (reads, secret) => {
    const random = createSeededRandom(secret[0] ?? 0);
    const { positions } = exactInterest(reads, 100, defaultFilterShape);
    return Array.from({ length: times }, () =>
      drawFilter(
        { shape: defaultFilterShape, epsilonMilli: epsilon * 1_000, epoch: 100, salt: random.bytes(16) },
        positions,
        secret,
      ),
    );
  };

/** A device that changes one other topic every day of its life, which spends the whole budget. */
const wholeLife =
  (epsilon: number): Releases =>
  (reads, secret) => {
    const keeper = keeperOf(reads, secret, epsilon);
    const releases: InterestFilter[] = [];
    for (let day = 1; day <= 40; day += 1) {
      const filter = keeper.shown(startMs + day * 2 * dayMs);
      if (filter !== undefined) releases.push(filter);
      keeper.add(createTopic(`of day ${day}`), startMs + day * 2 * dayMs);
    }
    return releases;
  };

describe('what an observer infers about one subscription', () => {
  it('a neighbour that sees the filter once: a guess of 10 % becomes at most 69 % (ε = 3), 45 % (ε = 2)', () => {
    const usual = observe('once, ε = 3', shownOften(3, 1));
    expect(usual.beliefInTrue).toBeLessThan(0.69);
    expect(usual.separation).toBeLessThan(0.97);
    const high = observe('once, ε = 2', shownOften(2, 1));
    expect(high.beliefInTrue).toBeLessThan(0.45);
    expect(high.recall).toBe(0); // it never has reason to say more than "perhaps"
  });

  it('one that asks a thousand times learns what one learns that asks once', () => {
    expect(observe('1,000 times, ε = 3', shownOften(3, 1_000))).toEqual(observe('once', shownOften(3, 1)));
  });

  it('against fresh noise at each call the same observer knows nearly everything after five calls', () => {
    const figures = observe('fresh noise, 5 times, ε = 3', freshEachTime(3, 5));
    expect(figures.precision).toBeGreaterThan(0.9); // what is left are names that share a position with one that is read
    expect(figures.recall).toBeGreaterThan(0.98);
    if (isFull) observe('fresh noise, 20 times, ε = 1', freshEachTime(1, 20));
  });

  it('a majority over releases recovers a bit better and better under fresh noise, and no better under permanent', () => {
    const reads = topics.slice(0, 20);
    const bit = positionsOf(topics[0] as Topic, 100, defaultFilterShape)[0] ?? 0; // it has one
    const recovered = (releasesOf: Releases) => {
      let right = 0;
      const random = createSeededRandom(13);
      for (let device = 0; device < 200; device += 1) {
        const releases = releasesOf(reads, random.bytes(32));
        if (2 * releases.filter((filter) => hasBit(filter, bit)).length > releases.length) right += 1;
      }
      return right / 200;
    };
    // ε = 10 with 7 hashes flips as ε = 1.43 with one does.
    const fresh = [1, 5, 21].map((times) => recovered(freshEachTime(10 / 7, times)));
    expect(fresh[0]).toBeCloseTo(0.81, 1);
    expect(fresh[1]).toBeGreaterThan(0.9);
    expect(fresh[2]).toBeGreaterThan(0.98);
    const permanent = [1, 21].map((times) => recovered(shownOften(10 / 7, times)));
    expect(permanent[1]).toBe(permanent[0]);
  });

  it('a global one over a whole life of changes knows what stayed: the total of ε bounds it, and 30 is much', () => {
    const { beliefInTrue, separation } = observe('whole life, ε = 3', wholeLife(3));
    expect(beliefInTrue).toBeGreaterThan(0.9);
    expect(separation).toBeGreaterThan(0.99);
    if (isFull) observe('whole life, ε = 2', wholeLife(2));
  });

  it('nobody without the secret of a private topic learns anything, however long they look', () => {
    const secrets = createSeededRandom(14);
    const named = new Map(topics.map((topic) => [topic, createTopic(topic.name, secrets.bytes(32))]));
    const { separation, beliefInTrue, beliefInFalse } = observe(
      'private topic, whole life, ε = 3',
      wholeLife(3),
      (topic) => named.get(topic) ?? topic,
    );
    expect(Math.abs(separation - 0.5)).toBeLessThan(0.05);
    expect(Math.abs(beliefInTrue - beliefInFalse)).toBeLessThan(0.03);
  });
});

describe('what an observer infers from a join query that it knows the asker of', () => {
  /** The mean chance that it names the topic, when it knows the names of `universe` public topics. */
  const chanceToName = (mode: JoinMode, universe: readonly Topic[]) => {
    const at = Map.groupBy(universe, (topic) => positionsOf(topic, 100, defaultFilterShape)[0] ?? -1);
    const chances = universe.map((topic) => {
      const hint = hintOf(topic, mode, 100, defaultFilterShape);
      const candidates = hint.flatMap((position) => at.get(position) ?? []);
      return candidates.length === 0 ? 1 / universe.length : 1 / candidates.length;
    });
    return chances.reduce((total, chance) => total + chance, 0) / chances.length;
  };

  it('the decoys hide little among few public names and much among many; without a hint there is nothing', () => {
    const many = Array.from({ length: isFull ? 20_000 : 3_000 }, (_, index) => createTopic(`name ${index}`));
    const [few, crowd] = [many.slice(0, 400), many];
    for (const mode of ['open', 'decoys', 'sensitive'] as const) {
      const row = [few, crowd].map((universe) => `${universe.length}: ${chanceToName(mode, universe).toFixed(3)}`);
      if (isFull) process.stdout.write(`${mode} query, names known: ${row.join(', ')}\n`);
    }
    expect(chanceToName('open', few)).toBeGreaterThan(0.9);
    expect(chanceToName('decoys', few)).toBeLessThan(chanceToName('open', few));
    expect(chanceToName('decoys', crowd)).toBeLessThan(0.4);
    expect(chanceToName('sensitive', few)).toBeCloseTo(1 / 400);
  });
});
