import type { TableChange, TableStore } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { partyLimits } from '../party/limits.ts';
import { decodePiece } from '../party/piece.ts';
import { tables } from '../party/rows.ts';
import {
  PartyWorld,
  plainCombine,
  plainEnrolment,
  plainJoin,
  plainSumTask,
  plainVector,
  plainWork,
} from '../testing/index.ts';
import { runAggregator } from './aggregator.ts';
import { runAlone } from './alone.ts';
import { runOwner } from './owner.ts';
import { attemptScope } from './settings.ts';
import type { OwnerAttempt } from './site.ts';
import type { LocalWork } from './work.ts';

// A disk put back to an older state of itself, while data changed: the same masks must not go over another vector.

const minuteMs = 60_000;
const names = Object.values(tables);

function copyOf(disk: TableStore): TableChange[] {
  return names.flatMap((table) =>
    [...disk.range(table)].map(({ key, value }) => ({
      ...({ kind: 'put', table } as const),
      key: key.slice(),
      value: value.slice(),
    })),
  );
}

async function putBack(disk: TableStore, copy: readonly TableChange[]): Promise<void> {
  const rows = names.flatMap((table) => [...disk.range(table)].map(({ key }) => ({ table, key: key.slice() })));
  await disk.commit([...rows.map((row) => ({ kind: 'remove', ...row }) as const), ...copy]);
}

/** Site 2 is put back, once, to when it was about to compute, after it sent `step`; then its records give another vector. */
async function putBackAfter(step: string, hasAggregator: boolean) {
  const sent = new Set<string>();
  let copy: TableChange[] | null = null;
  let isBack = false;
  const got: { readonly from: PeerId; readonly bytes: Uint8Array }[] = [];
  const world: PartyWorld = new PartyWorld({
    seed: 4,
    onSend: (from, to, bytes) => {
      const site = world.agent('site 2');
      if (to === site.peer) got.push({ from, bytes: bytes.slice() });
      const piece = decodePiece(bytes, partyLimits);
      if (from !== site.peer || piece.step !== step || piece.scope !== attemptScope(1, 1)) return bytes;
      sent.add(toHex(piece.bytes));
      if (copy === null || isBack) return bytes;
      isBack = true;
      site.crash();
      // Whoever has its messages yet, the aggregator above all, sends them again.
      void putBack(site.disk, copy).then(() =>
        got.map((one) => world.post.end(one.from, site.disk, () => true).send(site.peer, one.bytes)),
      );
      return bytes;
    },
  });
  const deadlineMs = world.clock.now() + 60 * minuteMs;
  const aggregator = hasAggregator ? world.agent('aggregator') : null;
  const task = plainSumTask({ aggregator: aggregator?.peer ?? null, sitesMin: 3, sitesMax: 3, deadlineMs });
  const analyst = world.agent('analyst').signer;
  const { id: taskId } = await world.until(world.board.publish('task', task, analyst), minuteMs);
  const work: LocalWork = {
    ...plainWork(2),
    contribute: async ({ round }) => {
      copy ??= copyOf(world.agent('site 2').disk);
      return { vector: plainVector(isBack ? 9 : 2, round), clipped: 0, patients: 100 };
    },
  };
  const runs = [1, 2, 3].map((number) => {
    const agent = world.agent(`site ${number}`);
    const join = { taskId, joinMs: minuteMs, ...plainJoin(number) };
    const site = { author: agent.signer, work: number === 2 ? work : plainWork(number), book: null };
    return agent.run<{ readonly attempts: readonly OwnerAttempt[] }>(taskId, (party) =>
      hasAggregator
        ? runOwner(party, join, site)
        : runAlone(party, join, { ...site, combine: plainCombine, accountant: null }),
    );
  });
  void aggregator?.run(taskId, (party) =>
    runAggregator(
      party,
      { taskId, joinMs: minuteMs, enrolment: plainEnrolment('aggregator') },
      { combine: plainCombine, accountant: null },
    ),
  );
  const end = await world.until(runs[1] as (typeof runs)[0], 6 * 60 * minuteMs);
  return { isBack, sent, parts: end.attempts.map(({ part }) => part) };
}

describe('a site that is put back to an older copy of its disk', () => {
  it.each([
    { step: 'masked', hasAggregator: true },
    { step: 'partial-sum', hasAggregator: false },
  ])('sends no second vector under its masks: $step', async ({ step, hasAggregator }) => {
    const { isBack, sent, parts } = await putBackAfter(step, hasAggregator);
    expect(isBack).toBe(true);
    expect(sent.size).toBe(1);
    expect(parts[0]).toMatchObject({ kind: 'stopped', why: 'restored' });
  });
});
