import { describe, expect, it } from 'vitest';
import {
  PartyWorld,
  plainCombine,
  plainEnrolment,
  plainJoin,
  plainOutput,
  plainSum,
  plainSumTask,
  plainWork,
} from '../testing/index.ts';
import { runAggregator } from './aggregator.ts';
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
