import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import type { EntryBodies } from '../entries/bodies.ts';
import { signEntry } from '../entries/entry-codec.ts';
import type { EntryKind } from '../entry.ts';
import { openBoardLog } from '../log/stored-log.ts';
import { sampleContract, sampleEnrolment, sampleTask, type TestAuthor, testAuthor } from '../testing/sample-entries.ts';
import { Admission, type DailyQuota } from './admission.ts';
import { BoardGate } from './board-gate.ts';

const origin = 'board.test/1';
const clinic = testAuthor('clinic');
const analyst = testAuthor('analyst');

async function aGate(store = createMemoryTables(), quota: DailyQuota = { entriesMax: 10, bytesMax: 100_000 }) {
  const log = await openBoardLog({ store, signer: testAuthor('board'), origin });
  const admission = new Admission(
    { store, quota, isAdmitted: (peer) => peer !== testAuthor('stranger').peerId },
    { clock: new VirtualClock() },
  );
  return { log, store, gate: new BoardGate({ log, admission, store, authorities: [] }) };
}

function leafOf<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind], author: TestAuthor) {
  return signEntry({ kind, body, createdMs: 1 }, origin, author);
}

const notice = (title: string, author = clinic) => leafOf('announcement', { title, text: 'x' }, author);

describe('the gate of a board', () => {
  it('takes an entry once, and repeating it costs nothing', async () => {
    const { gate, log } = await aGate(undefined, { entriesMax: 1, bytesMax: 100_000 });
    const first = await gate.add(notice('a'));
    expect(first).toMatchObject({ index: 0, isNew: true, author: clinic.peerId, kind: 'announcement' });
    expect(await gate.add(notice('a'))).toMatchObject({ index: 0, isNew: false });
    await expect(gate.add(notice('b'))).rejects.toMatchObject({ refusal: 'entries-a-day' });
    expect(log.checkpoint.size).toBe(1);
  });

  it('refuses strangers, what is no entry, and what is against the rules, and appends nothing of it', async () => {
    const { gate, log, store } = await aGate();
    await expect(gate.add(notice('a', testAuthor('stranger')))).rejects.toMatchObject({ refusal: 'stranger' });
    await expect(gate.add(Uint8Array.of(1))).rejects.toMatchObject({ refusal: 'form' });
    const contract = leafOf('contract', sampleContract('0'.repeat(64)), clinic);
    await expect(gate.add(contract)).rejects.toMatchObject({ refusal: 'no-task' });
    expect([log.checkpoint.size, store.count('quota')]).toEqual([0, 0]);
  });

  it('judges entries that decide on others one after the other, over a restart too', async () => {
    const store = createMemoryTables();
    const { gate, log } = await aGate(store);
    const enrolments = ['A', 'B'].map((name) => leafOf('key', sampleEnrolment(clinic, name), clinic));
    const answers = await Promise.allSettled(enrolments.map((leaf) => gate.add(leaf)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const task = leafOf('task', sampleTask(), analyst);
    const { leafHash } = await gate.add(task);
    await log[Symbol.asyncDispose]();
    const again = await aGate(store);
    const id = Buffer.from(leafHash).toString('hex');
    expect(await again.gate.add(leafOf('contract', sampleContract(id), clinic))).toMatchObject({ index: 2 });
  });
});
