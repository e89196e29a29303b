import type { EntryBodies } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Party } from '../party/party.ts';
import { lyingParty, PartyWorld, plainCombine, plainJoin, plainSumTask, plainWork } from '../testing/index.ts';
import { runAlone } from './alone.ts';
import { enoughContracts } from './contracts.ts';
import { enrol, signContract } from './join.ts';
import { attemptScope } from './settings.ts';
import { secureSumAlone } from './sum-alone.ts';

const minuteMs = 60_000;
const numbers = [1, 2, 3, 4];

/** A world in which four sites sum among themselves, the first in order of ids being somebody who wants one site's vector. */
async function aWorld() {
  const world = new PartyWorld({ seed: 11 });
  const agents = numbers
    .map((number) => ({ number, agent: world.agent(`site ${number}`) }))
    .sort((one, other) => (one.agent.peer < other.agent.peer ? -1 : 1));
  const [opener, ...honest] = agents as [(typeof agents)[0], ...typeof agents];
  const deadlineMs = world.clock.now() + 60 * minuteMs;
  const task = plainSumTask({ aggregator: null, sitesMin: 3, sitesMax: 4, deadlineMs });
  const { id: taskId } = await world.until(world.board.publish('task', task, world.agent('analyst').signer), minuteMs);
  return { world, opener, honest, task, taskId };
}

describe('sites that sum among themselves', () => {
  it('do not show the difference of two sums: who opens closes an attempt, opens the next, and goes on with the first', async () => {
    const { world, opener, honest, task, taskId } = await aWorld();
    const all = [opener, ...honest].map(({ agent }) => agent.peer);
    const victim = all[3] as PeerId;
    const withoutVictim = all.filter((peer) => peer !== victim);
    const input = contentId(plainWork(1).firstInput(task));
    const step = async (party: Party, sites: readonly PeerId[]): Promise<EntryBodies['round']['step']> => {
      const entries = await party.board.list('contract', ({ body }) => body.task === taskId);
      const contracts = sites.map((site) => entries.find(({ author }) => author === site)?.id ?? '');
      return { name: 'opened', sites, contracts, input };
    };
    const sumAs = (party: Party, attempt: number, sites: readonly PeerId[]) =>
      secureSumAlone(
        party,
        {
          settings: { task: taskId, round: 1, attempt, sites, vectorLength: 5 },
          opener: opener.agent.peer,
          vector: new Uint32Array(5),
          patienceMs: 2 * minuteMs,
        },
        { mayReveal: async () => true },
      );
    const attack = opener.agent.run(taskId, async (party) => {
      const join = { taskId, ...plainJoin(opener.number) };
      await enrol(party, join.enrolment);
      await signContract(party, join);
      await enoughContracts(party, { taskId, task }, minuteMs);
      const place = { task: taskId, round: 1 };
      await party.board.publish('round', { ...place, attempt: 1, step: await step(party, all) });
      const again = { ...place, attempt: 2, step: await step(party, withoutVictim) };
      const first = lyingParty(await party.scope(attemptScope(1, 1)), {
        publish: (_kind, body) => [
          { ...place, attempt: 1, step: { name: 'closed', outcome: 'failed', reason: 'lost' } } as const,
          again,
          body,
        ],
        send: (name, _to, message) => (name === 'partial-sum' ? null : message),
      });
      const one = await sumAs(first, 1, all);
      const two = await sumAs(await party.scope(attemptScope(1, 2)), 2, withoutVictim);
      return [one.kind, two.kind];
    });
    for (const { number, agent } of honest) {
      const join = { taskId, joinMs: minuteMs, ...plainJoin(number) };
      const means = { work: plainWork(number), book: null, combine: plainCombine, accountant: null };
      void agent.run(taskId, (party) => runAlone(party, join, { author: agent.signer, ...means }));
    }
    const sums = await world.until(attack, 3 * 60 * minuteMs);
    expect(sums.filter((kind) => kind === 'summed').length, sums.join()).toBeLessThan(2);
  });
});
