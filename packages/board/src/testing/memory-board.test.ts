import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { BoardLiedError } from '../client/errors.ts';
import { verifyEvidence } from '../client/evidence.ts';
import { verifyReceipt } from '../receipt/receipt.ts';
import { createMemoryBoard } from './memory-board.ts';
import { sampleContract, sampleEnrolment, sampleTask, testAuthor } from './sample-entries.ts';

const clinic = testAuthor('clinic');
const analyst = testAuthor('analyst');

function aBoard(options: Parameters<typeof createMemoryBoard>[0] = {}) {
  const clock = new VirtualClock();
  return { clock, board: createMemoryBoard(options, { clock }) };
}

describe('a board in memory', () => {
  it('shows every reader the same entries in order, also those who come later', async () => {
    const { board } = aBoard();
    const early = board.reader();
    const heard: string[] = [];
    early.onEntry(({ kind }) => heard.push(kind));
    await board.publish('key', sampleEnrolment(clinic, 'Clinic'), clinic);
    const task = await board.publish('task', sampleTask(), analyst);
    await board.publish('contract', sampleContract(task.id), clinic);
    expect(heard).toEqual(['key', 'task', 'contract']);
    const late = board.reader();
    expect(late.entries('contract')[0]).toMatchObject({ index: 2, author: clinic.peerId });
    expect(late.entry(task.id)).toMatchObject({ kind: 'task', index: 1 });
    expect(late.head()).toEqual(early.head());
    const leaf = late.entry(task.id)?.leaf ?? new Uint8Array(0);
    expect(verifyReceipt(task.receipt, leaf, board.policy).index).toBe(1);
    expect(verifyReceipt(await late.receipt(1), leaf, board.policy).checkpoint.size).toBe(3);
  });

  it('gives who repeats what they said the first answer, even later', async () => {
    const { board, clock } = aBoard();
    const first = await board.publish('task', sampleTask(), analyst);
    await clock.advance(1_000);
    expect(await board.reader().publish('task', sampleTask(), analyst)).toEqual(first);
    expect(board.size).toBe(1);
  });

  it('refuses what its author may not say', async () => {
    const { board } = aBoard({ admitted: [analyst.peerId] });
    const refused = board.publish('announcement', { title: 'a', text: 'b' }, clinic);
    await expect(refused).rejects.toMatchObject({ code: 'board-refused', refusal: 'not-admitted' });
    const noTask = board.publish('contract', sampleContract('00'.repeat(32)), analyst);
    await expect(noTask).rejects.toMatchObject({ code: 'entry-refused', refusal: 'no-task' });
  });

  it('can be out of reach for a reader, which then catches up', async () => {
    const { board } = aBoard();
    const reader = board.reader();
    reader.setUnreachable(true);
    await board.publish('task', sampleTask(), analyst);
    await expect(reader.refresh()).rejects.toMatchObject({ code: 'board-unreachable', retryable: true });
    expect(reader.size).toBe(0);
    reader.setUnreachable(false);
    expect(reader.size).toBe(1);
  });

  it('lies by a fork, and two readers that compare find out', async () => {
    const { board } = aBoard();
    await board.publish('task', sampleTask(), analyst);
    const fork = board.fork();
    board.reader().compare(fork.reader());
    await board.publish('announcement', { title: 'to some', text: 'one' }, analyst);
    await fork.publish('announcement', { title: 'to others', text: 'two' }, analyst);
    expect(() => board.compare(fork)).toThrow(expect.objectContaining({ code: 'board-lied' }));
    const { evidence } = (await board.refresh().catch((error: unknown) => error)) as BoardLiedError;
    expect(verifyEvidence(evidence, board.policy.board)).toMatchObject({ kind: 'split-view', sizes: [2, 2] });
    await expect(fork.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  });

  it('is slow on the clock it is given', async () => {
    const { board, clock } = aBoard({ delayMs: 50 });
    const reader = board.reader();
    const published = board.publish('task', sampleTask(), analyst);
    await clock.advance(49);
    expect(board.size).toBe(0);
    await clock.advance(1);
    expect((await published).index).toBe(0);
    expect(reader.size).toBe(0);
    await clock.advance(50);
    expect(reader.size).toBe(1);
  });

  it('skips what is no entry', () => {
    const { board } = aBoard();
    board.addLeaf(Uint8Array.of(1, 2, 3));
    expect([board.size, board.entries('task').length]).toEqual([1, 0]);
  });
});
