import { describe, expect, it } from 'vitest';
import { PartyWorld, plainCombine, plainEnrolment, plainJoin, plainSumTask, plainWork } from '../testing/index.ts';
import { runAggregator } from './aggregator.ts';
import { runAnalyst } from './analyst.ts';
import { runOwner } from './owner.ts';

const minuteMs = 60_000;

function study(world: PartyWorld, options: { readonly sites: number; readonly deadlineMs: number }) {
  const aggregator = world.agent('aggregator').peer;
  const { sites, deadlineMs } = options;
  return plainSumTask({ aggregator, sitesMin: 3, sitesMax: sites, rounds: 2, deadlineMs });
}

describe('an analyst', () => {
  it('asks for a study, and has what the board says came of it, over a restart too', async () => {
    const world = new PartyWorld();
    const task = study(world, { sites: 3, deadlineMs: world.clock.now() + 30 * minuteMs });
    const analyst = world.agent('analyst');
    const asked = analyst.run('study', (party) => runAnalyst(party, { task }));
    await world.clock.advance(minuteMs);
    const [entry] = analyst.reader.entries('task');
    const taskId = entry?.id ?? '';
    analyst.crash();
    for (const site of [1, 2, 3]) {
      const agent = world.agent(`site ${site}`);
      const means = { author: agent.signer, work: plainWork(site), book: null };
      void agent.run(taskId, (party) => runOwner(party, { taskId, ...plainJoin(site) }, means));
    }
    const options = { taskId, joinMs: minuteMs, enrolment: plainEnrolment('aggregator') };
    const means = { combine: plainCombine, accountant: null };
    const summed = world.agent('aggregator').run(taskId, (party) => runAggregator(party, options, means));
    expect((await world.until(summed, 30 * minuteMs)).kind).toBe('finished');
    const end = await world.until(asked, 30 * minuteMs);
    expect(end).toMatchObject({ kind: 'finished', taskId, sites: 3, epsilon: null });
    expect(end.output).toMatch(/^[0-9a-f]{64}$/);
    expect(analyst.reader.entries('task')).toHaveLength(1);
  });

  it('is told when nobody came until the deadline', async () => {
    const world = new PartyWorld();
    const task = study(world, { sites: 3, deadlineMs: world.clock.now() + 5 * minuteMs });
    const asked = world.agent('analyst').run('study', (party) => runAnalyst(party, { task }));
    expect(await world.until(asked, 60 * minuteMs)).toMatchObject({ kind: 'over', output: null, weights: null });
  });
});
