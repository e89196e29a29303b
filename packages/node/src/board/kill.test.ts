import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter, sleep } from '@pulsemesh/base';
import type { PublishedEntry } from '@pulsemesh/board';
import { parseVerifierKey, verifyReceipt } from '@pulsemesh/board/verify';
import { identityOfSeed } from '@pulsemesh/identity';
import { describe, expect, it } from 'vitest';
import { witnessSchema } from '../config/board-settings.ts';
import { openBoard } from './open-board.ts';
import { startWitnessService } from './witness-service.ts';

const silent = { add: () => {}, set: () => {}, observe: () => {} };
const meter = { counter: () => silent, gauge: () => silent, histogram: () => silent, text: async () => '' };
const deps = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter };
const main = fileURLToPath(new URL('board-child.testing.ts', import.meta.url));
const seeded = (byte: number) => identityOfSeed(new Uint8Array(32).fill(byte));

const killsMax = 2;
const writersMax = 3;

async function startBoard(directory: string, port: number, witness?: string) {
  const args = [main, directory, String(port), ...(witness === undefined ? [] : [witness])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, ...(JSON.parse(line) as { url: string; key: string }) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('a board that is killed under load', () => {
  it('loses nothing that it acknowledged; writers, readers and the witness go on, and nobody is accused', async () => {
    await using stack = new AsyncDisposableStack();
    const aDirectory = () => {
      const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-board-kill-'));
      stack.defer(() => rmSync(directory, { recursive: true, force: true }));
      return directory;
    };
    const boardData = aDirectory();
    const first = await startBoard(boardData, 0);
    const port = Number(new URL(first.url).port);
    const boards = [{ key: first.key, url: first.url }];
    const settings = { ...witnessSchema.parse({ boards }), dataDirectory: aDirectory() };
    const witness = stack.use(await startWitnessService(settings, seeded(9), deps));
    await kill(first.child);
    let board = await startBoard(boardData, port, witness.key);
    stack.defer(() => kill(board.child));
    const policy = { board: parseVerifierKey(board.key), witnesses: [parseVerifierKey(witness.key)], quorum: 1 };
    const place = { url: board.url, policy, authorities: [], followMs: 0 };
    const acknowledged: PublishedEntry[] = [];
    const isOver = new AbortController();
    const writers = await Promise.all(
      Array.from({ length: writersMax }, () => openBoard({ ...place, dataDirectory: aDirectory() }, deps)),
    );
    const writing = writers.map(async (client, writer) => {
      for (let number = 0; !isOver.signal.aborted; number += 1) {
        const body = { title: `writer ${writer} entry ${number}`, text: 'x' };
        acknowledged.push(await client.publish('announcement', body, seeded(20 + writer)));
      }
    });
    for (let kills = 0; kills < killsMax; kills += 1) {
      const before = acknowledged.length;
      while (acknowledged.length < before + writersMax) await sleep(deps.clock, 20);
      await kill(board.child);
      board = await startBoard(boardData, port, witness.key);
    }
    isOver.abort();
    await Promise.all(writing);
    const reader = stack.use(
      await openBoard({ ...place, dataDirectory: aDirectory() }, { ...deps, meter: silentMeter }),
    );
    await reader.refresh();
    const entries = reader.entries('announcement');
    expect(acknowledged.length).toBeGreaterThanOrEqual(killsMax * writersMax);
    expect(new Set(entries.map(({ body }) => body.title)).size).toBe(entries.length);
    for (const { index, id, receipt } of acknowledged) {
      const entry = reader.entry(id);
      expect(entry?.index).toBe(index);
      expect(verifyReceipt(receipt, entry?.leaf ?? new Uint8Array(0), policy).index).toBe(index);
    }
    for (const client of [...writers, reader]) expect(client.evidence).toBeNull();
    await Promise.all(writers.map((client) => client[Symbol.asyncDispose]()));
  }, 120_000);
});
