import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTopic, epochMs } from '../topic.ts';
import { describeEpsilon } from './describe-epsilon.ts';
import { InterestKeeper, type InterestOptions, interestTopicsMax } from './interest-keeper.ts';
import { budgetLimits, InterestStateRefusedError, PrivacyBudget } from './privacy-budget.ts';

const dayMs = 24 * 3_600_000;
const startMs = 100 * epochMs.filter;
const secret = createSeededRandom(3).bytes(32);
const topics = Array.from({ length: 30 }, (_, index) => createTopic(`topic ${index}`));
const first = createTopic('topic 0');

function keeperOf(count: number, options: Partial<InterestOptions> = {}, nowMs = startMs): InterestKeeper {
  const keeper = new InterestKeeper({ secret, ...options });
  for (const topic of topics.slice(0, count)) keeper.add(topic, nowMs);
  return keeper;
}

describe('the filter a device shows', () => {
  it('is the same however often it is asked for: averaging a thousand releases gains nothing', () => {
    const keeper = keeperOf(5);
    const shown = keeper.shown(startMs + 5_000);
    for (let minute = 1; minute <= 1_000; minute += 1) {
      expect(keeper.shown(startMs + 5_000 + minute * 60_000)).toBe(shown);
    }
    expect(keeper.epsilonSpent).toBe(3);
  });

  it('is there when the set has settled, and costs once for all topics of the start', () => {
    const keeper = keeperOf(5);
    keeper.add(topics[5] ?? first, startMs + 4_000);
    expect(keeper.shown(startMs + 8_999)).toBeUndefined();
    expect(keeper.dueAtMs).toBe(startMs + 9_000);
    expect(keeper.shown(startMs + 9_000)).toBeDefined();
    expect(keeper.epsilonSpent).toBe(3);
  });

  it('is none, and costs nothing, while there is nothing to tell', () => {
    const keeper = keeperOf(0);
    expect(keeper.dueAtMs).toBe(Number.POSITIVE_INFINITY);
    expect(keeper.shown(startMs)).toBeUndefined();
    expect(keeper.epsilonSpent).toBe(0);
  });

  it('follows a change of the set at most once a day, with all new noise', () => {
    const keeper = keeperOf(5);
    const before = keeper.shown(startMs + 5_000);
    keeper.remove(first, startMs + 6_000);
    expect(keeper.shown(startMs + dayMs)).toBe(before);
    const after = keeper.shown(startMs + dayMs + 5_000);
    expect(after).not.toBe(before);
    let changed = 0;
    for (let index = 0; index < 128; index += 1) {
      if (after?.words[index] !== before?.words[index]) changed += 1;
    }
    expect(changed).toBeGreaterThan(100); // one topic alone would change one word
  });

  it('is the former one, for nothing, where the set is the former one again, in whatever order it came', () => {
    const keeper = keeperOf(5);
    const before = keeper.shown(startMs + 5_000);
    keeper.remove(first, startMs + 6_000);
    keeper.shown(startMs + 2 * dayMs);
    keeper.add(first, startMs + 2 * dayMs);
    const again = keeper.shown(startMs + 4 * dayMs);
    expect(again?.bytes).toEqual(before?.bytes);
    expect(keeper.epsilonSpent).toBe(6);
  });

  it('has new noise in a new epoch: under the old noise the difference would show the set', () => {
    const keeper = keeperOf(5);
    const before = keeper.shown(startMs + 5_000);
    const after = keeper.shown(startMs + epochMs.filter);
    expect(after?.epoch).toBe((before?.epoch ?? 0) + 1);
    let differing = 0;
    for (let index = 0; index < 128; index += 1) {
      const difference = (before?.words[index] ?? 0) ^ (after?.words[index] ?? 0);
      differing += difference.toString(2).split('1').length - 1;
    }
    expect(differing).toBeGreaterThan(100); // ten, if only the positions had moved
  });

  it('holds at most so many topics', () => {
    const keeper = new InterestKeeper({ secret });
    for (let index = 0; index < interestTopicsMax + 10; index += 1) keeper.add(createTopic(`t${index}`), startMs);
    expect(keeper.exact(0).topics).toBe(interestTopicsMax);
  });
});

describe('across restarts', () => {
  it('the same set shows the same filter and spends nothing, with the state and without', () => {
    const keeper = keeperOf(5);
    const shown = keeper.shown(startMs + 5_000);
    const restarted = keeperOf(0, { state: keeper.state() });
    expect(restarted.shown(startMs + 60_000)?.bytes).toEqual(shown?.bytes); // before any topic is there again
    for (const topic of topics.slice(0, 5).reverse()) restarted.add(topic, startMs + 120_000);
    expect(restarted.shown(startMs + 10 * dayMs)?.bytes).toEqual(shown?.bytes);
    expect(restarted.epsilonSpent).toBe(3);
    expect(keeperOf(5).shown(startMs + 5_000)?.bytes).toEqual(shown?.bytes);
  });

  it('a restart in a later epoch draws nothing for a set that is not there yet', () => {
    const keeper = keeperOf(5);
    keeper.shown(startMs + 5_000);
    const restarted = keeperOf(0, { state: keeper.state() });
    restarted.shown(startMs + epochMs.filter + 1);
    expect(restarted.epsilonSpent).toBe(3);
  });

  it('a device that restarts with another set every day never spends more than its lifetime budget', () => {
    let state: Uint8Array | undefined;
    const shown = new Set<string>();
    let flipBefore = 0;
    for (let day = 0; day < 60; day += 1) {
      const nowMs = startMs + day * (dayMs + 60_000);
      const keeper = new InterestKeeper({ secret, ...(state === undefined ? {} : { state }) });
      for (const topic of topics.slice(day % 29)) keeper.add(topic, nowMs);
      const filter = keeper.shown(nowMs + 5_000 + (day === 0 ? 0 : 50_000));
      expect(keeper.epsilonSpent).toBeLessThanOrEqual(30);
      if (filter !== undefined) {
        // The noise widens; it narrows only where a former set shows its former filter again.
        if (day < 29) expect(filter.flip).toBeGreaterThanOrEqual(flipBefore);
        flipBefore = filter.flip;
        shown.add(String(filter.salt));
      }
      state = keeper.state();
      expect(state.length).toBeLessThan(budgetLimits.stateBytesMax);
    }
    expect(shown.size).toBe(12); // nine at ε = 3, then 1.5, 0.75, 0.375
  });

  it('a state that cannot be read stops the start, instead of spending anew', () => {
    const state = keeperOf(5).state();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => keeperOf(1, { state: bytes })).toThrow(InterestStateRefusedError);
      }),
      { numRuns: 200 },
    );
    expect(() => keeperOf(1, { state: state.subarray(1) })).toThrow(InterestStateRefusedError);
    expect(() => keeperOf(1, { state: new Uint8Array(budgetLimits.stateBytesMax + 1) })).toThrow(
      InterestStateRefusedError,
    );
  });

  it('remembers the last sets only, so that the state stays small', () => {
    const budget = new PrivacyBudget(1_000, 3);
    for (let index = 0; index < budgetLimits.releasesMax + 5; index += 1) budget.release(Uint8Array.of(index), 0);
    const spent = budget.spentMilli;
    budget.release(Uint8Array.of(budgetLimits.releasesMax + 4), 0);
    expect(budget.spentMilli).toBe(spent);
    budget.release(Uint8Array.of(0), 0);
    expect(budget.spentMilli).toBeGreaterThan(spent);
  });
});

it('what ε means stands in one sentence', () => {
  expect(describeEpsilon(3)).toContain('at most 69 % sure');
  expect(describeEpsilon(2)).toContain('at most 45 % sure');
  expect(describeEpsilon(10)).toContain('at most 99.96 % sure');
});
