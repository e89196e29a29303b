import { createPrometheusMeter, createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryBoard, sampleTask, testAuthor } from '@pulsemesh/board/testing';
import { StoreFailedError, StoreFullError } from '@pulsemesh/store';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Learner } from './learner.ts';
import { runTasks, type TaskHappening, taskRetryMs } from './run-tasks.ts';

const author = testAuthor('office');
const self = peerIdOfEd25519(author.publicKey);

/** A board with a task that this party is to sum, whose journal fails with these, one after the other. */
async function aTask(failures: Error[]) {
  const clock = new VirtualClock();
  const board = createMemoryBoard({}, { clock });
  const task = sampleTask({ aggregator: self });
  const published = board.publish('task', task, author);
  await clock.advance(1_000);
  await published;
  const open = async () => {
    throw failures.shift() ?? new StoreFailedError('commit');
  };
  // Where the fault is: the rest of a learner is not reached.
  const learner = { self, board, parties: { open }, dataDirectory: '/nowhere' } as unknown as Learner;
  const heard: TaskHappening[] = [];
  const onHappening = (happening: TaskHappening) => void heard.push(happening);
  const deps = { clock, random: createSeededRandom(1), logger: silentLogger, meter: createPrometheusMeter() };
  const options = { site: null, joins: 'invited', aggregates: true, joinMs: 1, codeHash: task.codeHash } as const;
  const running = runTasks(learner, options, { ...deps, onHappening });
  return { clock, running, kinds: () => heard.map(({ kind }) => kind) };
}

describe('a task that cannot go on', () => {
  it('waits and is tried again where the disk is full, and is left where it failed', async () => {
    const { clock, running, kinds } = await aTask([new StoreFullError('no room'), new StoreFullError('no room')]);
    using _running = running;
    await clock.advance(1);
    expect(kinds()).toEqual(['summing', 'waiting']);
    await clock.advance(taskRetryMs);
    expect(kinds()).toEqual(['summing', 'waiting', 'waiting']);
    await clock.advance(taskRetryMs);
    expect(kinds()).toEqual(['summing', 'waiting', 'waiting', 'failed']);
    await clock.advance(10 * taskRetryMs);
    expect(kinds()).toHaveLength(4);
  });

  it('is tried no more once the party stops', async () => {
    const { clock, running, kinds } = await aTask([new StoreFullError('no room')]);
    await clock.advance(1);
    running[Symbol.dispose]();
    await clock.advance(10 * taskRetryMs);
    expect(kinds()).toEqual(['summing', 'waiting']);
  });
});
