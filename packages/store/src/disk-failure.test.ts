import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { openJournaledTables } from './journal/journaled-tables.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { recordKinds } from './record.ts';
import { openSqliteRecords } from './sqlite-records.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-eio-'));
afterAll(() => rm(base, { recursive: true }));
const writer = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

// strace makes the system calls fail; it must be there and allowed to trace.
const canInject = spawnSync('strace', ['-qq', '-o', '/dev/null', '-e', 'trace=none', 'true']).status === 0;

/** Runs the writer on a disk whose every later call of these fails; resolves to what it acknowledged and said on its way out. */
async function writeUntilDiskFails(engine: 'lmdb' | 'journal' | 'sqlite', path: string, calls = 'fsync,fdatasync') {
  const failing = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO:when=12+`];
  const child = spawn('strace', [...failing, process.execPath, writer, engine, path], { stdio: 'pipe' });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code] = await once(child, 'close');
  return { code, acknowledged: output.split('\n').filter(Boolean).map(Number), errors };
}

describe.skipIf(!canInject)('a disk whose flush fails', () => {
  // A meta page that cannot be written (pwrite64) leaves LMDB answering nothing more, not even how full it is.
  it.each(['pwrite64', 'fsync,fdatasync'])(
    'ends the acknowledgements of LMDB tables (%s), and none was given too early',
    async (calls) => {
      const directory = join(base, `tables ${calls}`);
      const { code, acknowledged, errors } = await writeUntilDiskFails('lmdb', directory, calls);
      expect(code).not.toBe(0);
      expect(errors).toContain('store-failed');
      expect(acknowledged.length).toBeGreaterThan(0);
      await using store = await openLmdbTables({ directory });
      expect(store.count('log')).toBeGreaterThanOrEqual(acknowledged.length);
    },
  );

  // The journal's own write is the one that flushes; LMDB behind it flushes by itself.
  it.each(['pwrite64', 'fsync,fdatasync'])(
    'ends the acknowledgements of a journal (%s), and none was given too early',
    async (calls) => {
      const directory = join(base, `journal ${calls}`);
      const { code, acknowledged, errors } = await writeUntilDiskFails('journal', directory, calls);
      expect(code).not.toBe(0);
      expect(errors).toContain('store-failed');
      const places = { directory: join(directory, 'tables'), journalDirectory: join(directory, 'journal') };
      await using store = await openJournaledTables(places, { random: createSystemRandom() });
      expect(store.count('log')).toBeGreaterThanOrEqual(acknowledged.length);
      expect(store.count('seen')).toBe(store.count('log'));
    },
  );

  it('ends the acknowledgements of SQLite records, and none was given too early', async () => {
    const file = join(base, 'records.sqlite');
    const { code, acknowledged, errors } = await writeUntilDiskFails('sqlite', file);
    expect(code).not.toBe(0);
    expect(errors).toContain('store-failed');
    expect(acknowledged.length).toBeGreaterThan(0);
    await using store = await openSqliteRecords({ file });
    expect((await store.counts())[recordKinds.window]).toBeGreaterThanOrEqual(acknowledged.length);
  });
});
