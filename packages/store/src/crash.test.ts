import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { openJournaledTables } from './journal/journaled-tables.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { recordKinds } from './record.ts';
import { openSqliteRecords } from './sqlite-records.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-crash-'));
afterAll(() => rm(base, { recursive: true }));
const writer = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
const numberOf = (bytes: Uint8Array) => Buffer.from(bytes).readUInt32BE(12);

/** Runs the writer, kills it with SIGKILL after `count` acknowledged writes, and resolves to the numbers acknowledged. */
async function writeUntilKilled(
  engine: 'lmdb' | 'journal' | 'sqlite',
  path: string,
  first: number,
  count: number,
): Promise<number[]> {
  const child = spawn(process.execPath, [writer, engine, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const acknowledged: number[] = [];
  // Lines that were cut by the kill end without a line feed; readline would hand them out as whole.
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (text.split('\n').length > count) child.kill('SIGKILL');
  });
  await Promise.all([ended, once(child.stdout, 'close')]);
  for (const line of text.slice(0, text.lastIndexOf('\n')).split('\n')) acknowledged.push(Number(line));
  return acknowledged;
}

function openJournaled(directory: string) {
  const places = { directory: join(directory, 'tables'), journalDirectory: join(directory, 'journal') };
  return openJournaledTables(places, { random: createSystemRandom() });
}

describe('kill -9 in the middle of writing, five times over', () => {
  it.each([
    ['LMDB', 'lmdb'],
    ['journal', 'journal'],
  ] as const)('loses no acknowledged %s commit and keeps every commit whole', async (_name, engine) => {
    const directory = join(base, engine);
    const acknowledged: number[] = [];
    for (const count of [1, 40, 90, 160, 250]) {
      acknowledged.push(...(await writeUntilKilled(engine, directory, acknowledged.length * 10, count)));
    }
    await using store = engine === 'lmdb' ? await openLmdbTables({ directory }) : await openJournaled(directory);
    const inLog = new Set([...store.range('log')].map(({ key }) => numberOf(key)));
    const inSeen = new Set([...store.range('seen')].map(({ key }) => numberOf(key)));
    expect(acknowledged.length).toBeGreaterThan(540);
    expect(acknowledged.filter((number) => !inLog.has(number))).toEqual([]);
    expect(inSeen).toEqual(inLog);
  });

  it('loses no acknowledged SQLite put and keeps every put whole', async () => {
    const file = join(base, 'sqlite', 'records.sqlite');
    const acknowledged: number[] = [];
    for (const count of [1, 40, 90, 160, 250]) {
      acknowledged.push(...(await writeUntilKilled('sqlite', file, acknowledged.length * 10, count)));
    }
    await using store = await openSqliteRecords({ file });
    const found = { [recordKinds.window]: new Set<number>(), [recordKinds.prediction]: new Set<number>() };
    let after: Uint8Array | null = null;
    do {
      const page: Awaited<ReturnType<typeof store.scan>> = await store.scan(after, 1000);
      for (const { kind, id } of page.records) found[kind as 2 | 3].add(numberOf(id));
      after = page.next;
    } while (after !== null);
    expect(acknowledged.filter((number) => !found[recordKinds.window].has(number))).toEqual([]);
    expect(found[recordKinds.prediction]).toEqual(found[recordKinds.window]);
    expect((await store.counts())[recordKinds.window]).toBe(found[recordKinds.window].size);
  });
});

describe('an LMDB directory that two processes have open', () => {
  it('shows each what the other committed, and takes the commits of both', async () => {
    const directory = join(base, 'shared');
    await using store = await openLmdbTables({ directory });
    const child = spawn(process.execPath, [writer, 'lmdb', directory, '1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const lines = createInterface(child.stdout);
    const theirs: number[] = [];
    for await (const line of lines) {
      theirs.push(Number(line));
      const own = Buffer.alloc(16);
      own.writeUInt32BE(theirs.length, 12);
      await store.commit([{ kind: 'put', table: 'log', key: own, value: own }]);
      if (theirs.length === 50) break;
    }
    child.kill('SIGKILL');
    await ended;
    const found = new Set([...store.range('log')].map(({ key }) => numberOf(key)));
    expect(theirs.filter((number) => !found.has(number))).toEqual([]);
    for (let number = 1; number <= 50; number += 1) expect(found.has(number)).toBe(true);
  });
});
