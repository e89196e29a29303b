import type { AnyBoardEntry } from '@pulsemesh/board';
import { describe, expect, it } from 'vitest';
import { PartyWorld, startPlainRun } from './testing/index.ts';
import { viewOfLearning, viewOfTask } from './view.ts';

const hourMs = 3_600_000;

async function finishedRun() {
  const world = new PartyWorld({ seed: 11 });
  const run = await startPlainRun(world, { sites: 4, rounds: 2 });
  await world.until(run.all, 3 * hourMs);
  const entries: AnyBoardEntry[] = [];
  world.board.onEntry((entry) => entries.push(entry))[Symbol.dispose]();
  return { world, entries, taskId: run.taskId };
}

describe('the view of a task', () => {
  it('shows how it goes after each entry, and what came of it', async () => {
    const { world, entries, taskId } = await finishedRun();
    const nowMs = world.clock.now();
    const states = entries.map(
      (_, index) => viewOfTask(entries.slice(0, index + 1), taskId, { nowMs: 0 })?.state ?? 'none',
    );
    expect([...new Set(states)]).toEqual(['waiting', 'ready', 'running', 'finished']);
    const [view] = viewOfLearning(entries, { nowMs });
    expect(view).toMatchObject({
      id: taskId,
      state: 'finished',
      roundsDone: 2,
      isSound: true,
      findings: [],
      model: null,
    });
    expect(view?.sites.map(({ name, state, rounds }) => [name, state, rounds]).sort()).toEqual(
      [1, 2, 3, 4].map((site) => [`site ${site}`, 'signed', 2]),
    );
    expect(view?.attempts.map(({ round, state, absent, clipped }) => [round, state, absent, clipped])).toEqual([
      [1, 'summed', [], 10],
      [2, 'summed', [], 10],
    ]);
    expect(view?.attempts[0]?.durationsMs).toHaveLength(4);
    expect(view?.trail.map(({ text }) => text).at(-1)).toBe('round 2, attempt 1: summed');
  });

  it('shows a task that nobody finished as expired, and none that is not there', async () => {
    const { entries, taskId } = await finishedRun();
    expect(viewOfTask(entries.slice(0, 3), taskId, { nowMs: Number.MAX_SAFE_INTEGER })?.state).toBe('expired');
    expect(viewOfTask(entries, 'f'.repeat(64), { nowMs: 0 })).toBeNull();
  });
});
