import type { AnyBoardEntry, EntryBodies } from '@pulsemesh/board';
import { sha256 } from '@pulsemesh/crypto';
import { describe, expect, it } from 'vitest';
import { verifyRun } from '../audit/verify-run.ts';
import { partyLimits } from '../party/limits.ts';
import { decodePiece, encodePiece } from '../party/piece.ts';
import { revealStep } from '../secure-sum/index.ts';
import { PartyWorld, plainOutput, plainSum, startPlainRun } from '../testing/index.ts';
import { roundLimits } from './limits.ts';
import { inputStep } from './steps.ts';

const hourMs = 3_600_000;

function entriesOf(world: PartyWorld): AnyBoardEntry[] {
  const entries: AnyBoardEntry[] = [];
  world.board.onEntry((entry) => entries.push(entry))[Symbol.dispose]();
  return entries;
}

function closings(world: PartyWorld): EntryBodies['round'][] {
  return entriesOf(world)
    .filter((entry) => entry.kind === 'round')
    .map(({ body }) => body)
    .filter(({ step }) => step.name === 'closed');
}

/** A world in which what these sites send in some steps is lost. */
function silentIn(steps: readonly string[], names: readonly string[], seed = 5): PartyWorld {
  const world: PartyWorld = new PartyWorld({
    seed,
    onSend: (from, _to, bytes) => {
      const isSilent = names.some((name) => world.agent(name).peer === from);
      return isSilent && steps.includes(decodePiece(bytes, partyLimits).step) ? null : bytes;
    },
  });
  return world;
}

describe('a site that is absent', () => {
  it.each([
    { step: 'advertise', sum: [1, 2, 3] },
    { step: 'shares', sum: [1, 2, 3] },
    { step: 'masked', sum: [1, 2, 3] },
    { step: 'reveal', sum: [1, 2, 3, 4] },
  ])('from step $step on delays the others only, and the sum is exact', async ({ step, sum }) => {
    const steps = ['advertise', 'shares', 'masked', 'reveal'];
    const world = silentIn(steps.slice(steps.indexOf(step)), ['site 4']);
    const run = await startPlainRun(world, { sites: 4 });
    const end = await world.until(run.aggregator, 3 * hourMs);
    expect(end.kind === 'finished' && plainOutput(end.output)).toEqual(plainSum(sum, 1));
    expect(verifyRun(entriesOf(world), run.taskId).findings).toEqual([]);
  });

  it('with too many others fails the attempt closed; it is tried again with fresh keys, as often as may be', async () => {
    const world = silentIn(['masked'], ['site 3', 'site 4']);
    const run = await startPlainRun(world, { sites: 4 });
    const ends = await world.until(run.all, 6 * hourMs);
    expect(ends.aggregator).toMatchObject({ kind: 'failed', reason: 'too-few-masked', round: 1 });
    expect(closings(world).map(({ attempt, step }) => [attempt, 'reason' in step && step.reason])).toEqual(
      Array.from({ length: roundLimits.attemptsMax }, (_, index) => [index + 1, 'too-few-masked']),
    );
    expect(ends.owners.flatMap(({ attempts }) => attempts.map(({ part }) => part.kind))).not.toContain('revealed');
  });

  it('leaves no sum of two: each of them would have the other one', async () => {
    const world = silentIn(['masked'], ['site 3']);
    const run = await startPlainRun(world, { sites: 3, sitesMin: 2 });
    const ends = await world.until(run.all, 6 * hourMs);
    expect(ends.aggregator).toMatchObject({ kind: 'failed', reason: 'too-few-masked' });
    expect(ends.owners.flatMap(({ attempts }) => attempts.map(({ part }) => part.kind))).not.toContain('revealed');
  });

  it('when shares are revealed, with too many others, ends the round for good: no second set is ever asked for', async () => {
    const world = silentIn(['reveal'], ['site 2', 'site 3', 'site 4']);
    const run = await startPlainRun(world, { sites: 4 });
    const end = await world.until(run.aggregator, 6 * hourMs);
    expect(end).toMatchObject({ kind: 'failed', reason: 'too-few-revealed' });
    expect(closings(world)).toHaveLength(1);
  });
});

describe('sites that give false shares', () => {
  it('are got around while few, and with too many the aggregator is told whose secrets did not come out', async () => {
    const endWith = async (liars: readonly string[]) => {
      const world: PartyWorld = new PartyWorld({
        seed: 6,
        onSend: (from, _to, bytes) => {
          const piece = decodePiece(bytes, partyLimits);
          const liar = liars.findIndex((name) => world.agent(name).peer === from);
          if (piece.step !== revealStep.name || liar < 0) return bytes;
          const reveal = revealStep.decode(piece.bytes);
          const seeds = reveal.seeds.map(({ site, share }) => ({
            site,
            // Not the same of both: of two like errors one in 255 sums comes out as none, since places are chosen by chance.
            share: share.map((byte, at) => (at < 32 ? byte ^ (1 + liar * at) : byte)),
          }));
          const said = revealStep.encode({ ...reveal, seeds });
          return encodePiece({ ...piece, bytes: said, hash: sha256(said) });
        },
      });
      const run = await startPlainRun(world, {
        sites: 4,
        task: { sum: { range: 1000, steps: 1, neighbours: 'all', threshold: 3 } },
      });
      const end = await world.until(run.aggregator, 3 * hourMs);
      return { end, sites: numbersOf(world, end.kind === 'failed' ? (end.sites ?? []) : []) };
    };
    const numbersOf = (world: PartyWorld, peers: readonly string[]) =>
      [1, 2, 3, 4].filter((number) => peers.includes(world.agent(`site ${number}`).peer));
    const { end } = await endWith(['site 2']);
    expect(end.kind === 'finished' && plainOutput(end.output)).toEqual(plainSum([1, 2, 3, 4], 1));
    expect(await endWith(['site 2', 'site 3'])).toMatchObject({
      end: { kind: 'failed', reason: 'shares-inconsistent' },
      sites: [1, 2, 3, 4],
    });
  });
});

describe('a task', () => {
  it('goes on without a site that leaves between rounds', async () => {
    const world = new PartyWorld({ seed: 8 });
    const leaver = world.agent('site 4');
    const run = await startPlainRun(world, { sites: 4, rounds: 3 });
    let hasLeft = false;
    world.board.onEntry((entry) => {
      if (hasLeft || entry.kind !== 'round' || entry.body.step.name !== 'survivors') return;
      hasLeft = true;
      const leave = { task: run.taskId, action: 'leave', reason: 'we changed our mind' } as const;
      void world.board.publish('contract', leave, leaver.signer);
    });
    const ends = await world.until(run.all, 6 * hourMs);
    expect(ends.aggregator.kind === 'finished' && plainOutput(ends.aggregator.output)).toEqual(plainSum([1, 2, 3], 3));
    expect(ends.owners[3]?.kind).toBe('left');
    expect(ends.owners[3]?.attempts).toHaveLength(1);
    expect(verifyRun(entriesOf(world), run.taskId).findings).toEqual([]);
  });

  it('never starts with fewer sites than it needs, nor after its deadline', async () => {
    const few = new PartyWorld({ seed: 9 });
    const lonely = await startPlainRun(few, { sites: 2, sitesMin: 3, task: { sitesMax: 4 } });
    expect(await few.until(lonely.aggregator, 6 * hourMs)).toMatchObject({ kind: 'failed' });
    expect(closings(few)).toEqual([]);
    const late = new PartyWorld({ seed: 9 });
    const run = await startPlainRun(late, { sites: 3, task: { deadlineMs: late.clock.now() - 1 } });
    expect(await late.until(run.aggregator, 6 * hourMs)).toMatchObject({ kind: 'failed', reason: 'after-deadline' });
    expect(closings(late)).toEqual([]);
  });

  it('never sums two sites: each would see the other', async () => {
    const world = new PartyWorld({ seed: 9 });
    const run = await startPlainRun(world, { sites: 2, sitesMin: 1 });
    expect(await world.until(run.aggregator, 6 * hourMs)).toMatchObject({ kind: 'failed', reason: 'settings' });
  });

  it('does not take an input that is longer than allowed', () => {
    expect(() => inputStep.decode(new Uint8Array(roundLimits.inputBytesMax + 1))).toThrow(/longer/);
  });
});
