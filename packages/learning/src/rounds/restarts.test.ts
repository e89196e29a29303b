import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import {
  type CrashPlan,
  PartyWorld,
  type PartyWorldOptions,
  plainOutput,
  plainSum,
  SentWatch,
  startPlainRun,
} from '../testing/index.ts';

// Every place where a party can be killed, one after another; all of them with PULSEMESH_TABLES=full.
const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const hourMs = 3_600_000;

async function runWith(crashes: CrashPlan, options: Partial<PartyWorldOptions> = {}, sites = 3) {
  const watch = new SentWatch();
  const world = new PartyWorld({ seed: 7, crashes, ...options, onSend: watch.onSend, onPublish: watch.onPublish });
  const run = await startPlainRun(world, { sites });
  const ends = await world.until(run.all, 3 * hourMs);
  const revealed = new Map<string, number>();
  for (const end of ends.owners) {
    for (const { round, part } of end.attempts) {
      if (part.kind === 'revealed') revealed.set(String(round), (revealed.get(String(round)) ?? 0) + 1);
    }
  }
  return { world, watch, ends, revealed };
}

/** Points of the first life of each agent in a run without crashes. */
async function pointsOf(agent: string): Promise<number> {
  const { world } = await runWith(() => null);
  return world.agent(agent).points;
}

describe('a party that is killed and started again', () => {
  it.each(['aggregator', 'site 2'])(
    'at any of its writes, sends and publications, lets the round end: %s',
    async (name) => {
      const points = await pointsOf(name);
      expect(points).toBeGreaterThan(30);
      const every = isFull ? 1 : 13;
      for (let number = 0; number < points; number += every) {
        for (const fate of ['before', 'after'] as const) {
          const { watch, ends } = await runWith((at) =>
            at.agent === name && at.life === 0 && at.number === number ? fate : null,
          );
          expect(watch.violations, `killed ${fate} point ${number}`).toEqual([]);
          expect(ends.aggregator.kind, `killed ${fate} point ${number}`).toBe('finished');
          if (ends.aggregator.kind === 'finished')
            expect(plainOutput(ends.aggregator.output)).toEqual(plainSum([1, 2, 3], 1));
        }
      }
    },
  );

  it.each(isFull ? Array.from({ length: 40 }, (_, seed) => seed) : [1, 2, 3])(
    'again and again, all of them, in bad weather, finishes or fails closed: seed %i',
    async (seed) => {
      const random = createSeededRandom(seed);
      const weather = { delayMs: 400, lossRate: 0.1, duplicateRate: 0.2 };
      const crashes: CrashPlan = ({ life }) =>
        life < 8 && random.float() < 0.03 ? (random.float() < 0.5 ? 'before' : 'after') : null;
      const { watch, ends } = await runWith(crashes, { seed, weather }, 4);
      expect(watch.violations).toEqual([]);
      if (ends.aggregator.kind === 'finished') {
        const sums = [
          [1, 2, 3, 4],
          [1, 2, 3],
          [1, 2, 4],
          [1, 3, 4],
          [2, 3, 4],
        ].map((sites) => plainSum(sites, 1));
        expect(sums).toContainEqual(plainOutput(ends.aggregator.output));
      }
    },
  );
});
