import { createSeededRandom } from '@pulsemesh/base';
import type { AnyBoardEntry } from '@pulsemesh/board';
import { describe, expect, it } from 'vitest';
import { verifyRun } from '../audit/verify-run.ts';
import { partyLimits } from '../party/limits.ts';
import { decodePiece } from '../party/piece.ts';
import {
  PartyWorld,
  plainCombine,
  plainEnrolment,
  plainJoin,
  plainOutput,
  plainSum,
  plainSumTask,
  plainWork,
  SentWatch,
} from '../testing/index.ts';
import { runAggregator } from './aggregator.ts';
import { runAlone } from './alone.ts';
import { runOwner } from './owner.ts';

const minuteMs = 60_000;

describe('a run with an aggregator', () => {
  it('gives the exact sum of all sites in each round, and the result to each of them', async () => {
    const world = new PartyWorld();
    const analyst = world.agent('analyst');
    const aggregator = world.agent('aggregator');
    const sites = [1, 2, 3, 4].map((number) => ({ number, agent: world.agent(`site ${number}`) }));
    const task = plainSumTask({
      aggregator: aggregator.peer,
      sitesMin: 3,
      sitesMax: 4,
      rounds: 2,
      deadlineMs: world.clock.now() + 60 * minuteMs,
    });
    const { id: taskId } = await world.until(world.board.publish('task', task, analyst.signer), minuteMs);
    const owners = sites.map(({ number, agent }) =>
      agent.run(taskId, (party) =>
        runOwner(
          party,
          { taskId, ...plainJoin(number) },
          { author: agent.signer, work: plainWork(number), book: null },
        ),
      ),
    );
    const sum = aggregator.run(taskId, (party) =>
      runAggregator(
        party,
        { taskId, joinMs: minuteMs, enrolment: plainEnrolment('aggregator') },
        { combine: plainCombine, accountant: null },
      ),
    );
    const end = await world.until(sum, 30 * minuteMs);
    expect(end.kind).toBe('finished');
    if (end.kind !== 'finished') return;
    expect(plainOutput(end.output)).toEqual(plainSum([1, 2, 3, 4], 2));
    for (const owner of owners) {
      const ended = await world.until(owner, 30 * minuteMs);
      expect(ended.kind).toBe('finished');
      expect(ended.attempts.map(({ part }) => part.kind)).toEqual(['revealed', 'revealed']);
      expect(ended.result).toEqual(end.output);
    }
  });
});

describe('a run without aggregator', () => {
  const start = async (world: PartyWorld, awake: readonly number[], rounds: number) => {
    const deadlineMs = world.clock.now() + 60 * minuteMs;
    const task = plainSumTask({ aggregator: null, sitesMin: 3, sitesMax: 4, rounds, deadlineMs });
    const { id: taskId } = await world.until(
      world.board.publish('task', task, world.agent('analyst').signer),
      minuteMs,
    );
    return {
      taskId,
      ends: awake.map((number) => {
        const agent = world.agent(`site ${number}`);
        const dependencies = {
          author: agent.signer,
          work: plainWork(number),
          book: null,
          combine: plainCombine,
          accountant: null,
        };
        return agent.run(taskId, (party) =>
          runAlone(party, { taskId, joinMs: minuteMs, ...plainJoin(number) }, dependencies),
        );
      }),
    };
  };

  it('gives each site the exact sum of all, in each round, and a run that verifies', async () => {
    const world = new PartyWorld({ seed: 5, weather: { delayMs: 300, lossRate: 0.1, duplicateRate: 0.2 } });
    const { taskId, ends } = await start(world, [1, 2, 3, 4], 2);
    for (const end of await world.until(Promise.all(ends), 60 * minuteMs)) {
      expect(end.kind).toBe('finished');
      expect(plainOutput(end.result ?? new Uint8Array(0))).toEqual(plainSum([1, 2, 3, 4], 2));
    }
    const entries: AnyBoardEntry[] = [];
    world.board.onEntry((entry) => entries.push(entry))[Symbol.dispose]();
    expect(verifyRun(entries, taskId).findings).toEqual([]);
  });

  it.each([1, 2, 3])(
    'with sites killed again and again: what leaves each is the same in all its lives, seed %i',
    async (seed) => {
      const random = createSeededRandom(seed);
      const watch = new SentWatch();
      const world = new PartyWorld({
        seed,
        crashes: ({ life }) => (life < 8 && random.float() < 0.03 ? (random.float() < 0.5 ? 'before' : 'after') : null),
        onSend: watch.onSend,
        onPublish: watch.onPublish,
      });
      const { ends } = await start(world, [1, 2, 3], 2);
      const results = await world.until(Promise.all(ends), 180 * minuteMs);
      expect(watch.violations).toEqual([]);
      for (const { kind, result } of results) {
        if (kind === 'finished') expect(plainOutput(result ?? new Uint8Array(0))).toEqual(plainSum([1, 2, 3], 2));
        else expect(kind).toBe('over');
      }
      expect(world.agent('site 1').lives + world.agent('site 2').lives + world.agent('site 3').lives).toBeGreaterThan(
        3,
      );
    },
  );

  it('fails closed when a site goes away: no partial sum leaves anybody', async () => {
    const steps = new Set<string>();
    const world = new PartyWorld({
      seed: 6,
      crashes: ({ agent, number }) => (agent === 'site 2' && number >= 12 ? 'before' : null),
      restartMs: 1e9,
      onSend: (_from, _to, bytes) => {
        steps.add(decodePiece(bytes, partyLimits).step);
        return bytes;
      },
    });
    const { ends } = await start(world, [1, 2, 3], 1);
    const awake = await world.until(Promise.all([ends[0], ends[2]]), 180 * minuteMs);
    for (const end of awake) expect(end?.kind).toBe('over');
    expect(steps).toEqual(new Set(['additive-share']));
  });
});
