import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { type Drops, doneOf, plainSum, settingsOf, TestSum } from './testing.ts';

const steps = ['advertise', 'share', 'mask', 'reveal'] as const satisfies readonly (keyof Drops)[];

/** Whose vectors are in the sum: those who sent one. */
const summed = (sum: TestSum) => sum.present('mask');

function subsets(count: number): readonly ReadonlySet<number>[] {
  return Array.from(
    { length: 2 ** count },
    (_, bits) => new Set([...Array(count).keys()].filter((at) => (bits >> at) & 1)),
  );
}

describe('five sites of whom three must answer', () => {
  const settings = settingsOf(5, { threshold: 3, survivorsMin: 3 });

  describe.each(steps)('who drops out at the step %s', (step) => {
    it('leaves the exact sum of the others, whichever two or fewer they are', async () => {
      for (const gone of subsets(5).filter(({ size }) => size <= 2)) {
        const sum = new TestSum(settings, { drops: { [step]: gone } });
        const { words, sites } = doneOf(await sum.run());
        expect(words).toEqual(plainSum(settings, summed(sum)));
        expect(sites).toEqual(summed(sum).map((index) => sum.id(index)));
      }
    });

    it('leaves a failure with a name, whichever three or more they are', async () => {
      const reasons = { advertise: 'advertised', share: 'shared', mask: 'masked', reveal: 'revealed' };
      for (const gone of subsets(5).filter(({ size }) => size > 2)) {
        const sum = new TestSum(settings, { drops: { [step]: gone } });
        expect(await sum.run()).toEqual({ kind: 'failed', reason: `too-few-${reasons[step]}`, sites: [] });
      }
    });
  });
});

/** Each site drops out with this probability, at a step of its own. */
function randomDrops(count: number, share: number, seed: number): Drops {
  const random = createSeededRandom(seed);
  const drops = {
    advertise: new Set<number>(),
    share: new Set<number>(),
    mask: new Set<number>(),
    reveal: new Set<number>(),
  };
  for (let site = 0; site < count; site += 1) {
    if (random.float() < share) drops[steps[random.integer(steps.length)] ?? 'mask'].add(site);
  }
  return drops;
}

const larger = [
  { count: 10, share: 0.2, runs: 6 },
  { count: 40, share: 0.15, runs: 2 },
];
const full = [
  { count: 32, share: 0.3, runs: 8 },
  { count: 100, share: 0.1, runs: 4 },
];

describe.each(process.env['PULSEMESH_TABLES'] === 'full' ? [...larger, ...full] : larger)(
  '$count sites that drop out anywhere',
  ({ count, share, runs }) => {
    it('are summed exactly, or not at all', async () => {
      const settings = settingsOf(count);
      let summedRuns = 0;
      for (let seed = 1; seed <= runs; seed += 1) {
        const sum = new TestSum(settings, { seed, drops: randomDrops(count, share, seed) });
        const outcome = await sum.run();
        if (outcome.kind === 'failed') continue;
        summedRuns += 1;
        const survivors = sum.survivors.map(({ site }) => settings.sites.indexOf(site));
        expect(outcome.value.words).toEqual(plainSum(settings, survivors));
      }
      expect(summedRuns).toBeGreaterThan(0);
    }, 300_000);
  },
);
