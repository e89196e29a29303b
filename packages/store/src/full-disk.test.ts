import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { StoreFullError } from './errors.ts';
import { openJournaledTables } from './journal/journaled-tables.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { recordKinds } from './record.ts';
import { openSqliteRecords } from './sqlite-records.ts';

const base = mkdtempSync(join(tmpdir(), 'pulsemesh-full-'));
let mountCount = 0;

/** A disk of 4 MiB, or null where this process may not mount one. */
function mountSmallDisk(): (Disposable & { readonly path: string }) | null {
  mountCount += 1;
  const path = join(base, `${mountCount}`);
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return {
    path,
    [Symbol.dispose]() {
      execFileSync('umount', [path]);
    },
  };
}

const probe = mountSmallDisk();
probe?.[Symbol.dispose]();
process.once('exit', () => rmSync(base, { recursive: true, force: true }));

// Without the right to mount, the reserve and the size limits stand in (see the contract suites).
describe.skipIf(probe === null)('on a disk that is really full', () => {
  it('LMDB tables refuse, keep what was acknowledged, and reopen', async () => {
    using disk = mountSmallDisk();
    const directory = join(disk?.path ?? '', 'tables');
    const value = new Uint8Array(100_000);
    let kept = 0;
    {
      // The reserve is asked before the write and finds room; the write itself does not.
      let asked = 0;
      const freeBytes = async () => {
        asked += 1;
        return asked > kept + 1 ? 0 : 1_000_000;
      };
      await using store = await openLmdbTables({ directory, reserveBytes: 1 }, { freeBytes });
      const fill = async () => {
        for (; kept < 100; kept += 1)
          await store.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(kept), value }]);
      };
      await expect(fill()).rejects.toThrow(StoreFullError);
      expect(kept).toBeGreaterThan(5);
      for (let number = 0; number < kept; number += 1)
        expect(store.get('a', Uint8Array.of(number))?.length).toBe(100_000);
    }
    await using again = await openLmdbTables({ directory });
    expect(again.count('a')).toBe(kept);
  });

  it('a journal refuses, keeps what was acknowledged, and goes on once there is room', async () => {
    using disk = mountSmallDisk();
    const path = disk?.path ?? '';
    const places = { directory: join(path, 'tables'), journalDirectory: join(path, 'journal') };
    // The reserve finds room; the writes themselves, of the journal and of the tables, do not.
    const freeBytes = async () => 1_000_000;
    const options = { ...places, reserveBytes: 2, segmentBytes: 300_000 };
    const value = new Uint8Array(100_000);
    let kept = 0;
    {
      await using store = await openJournaledTables(options, { random: createSystemRandom(), freeBytes });
      const fill = async () => {
        for (; kept < 100; kept += 1)
          await store.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(kept), value }]);
      };
      await expect(fill()).rejects.toMatchObject({ name: expect.stringMatching(/^Store(Full|Failed)Error$/) });
      expect(kept).toBeGreaterThan(5);
      expect(store.count('a')).toBe(kept);
    }
    execFileSync('mount', ['-o', 'remount,size=32m', path]);
    await using again = await openJournaledTables(options, { random: createSystemRandom(), freeBytes });
    expect(again.count('a')).toBe(kept);
    await again.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(200), value }]);
  });

  it('SQLite records refuse, keep what was acknowledged, and reopen', async () => {
    using disk = mountSmallDisk();
    const options = { file: join(disk?.path ?? '', 'records.sqlite'), reserveBytes: 0 };
    let kept = 0;
    const record = (bucketSeconds: number) => ({
      subject: new Uint8Array(16),
      kind: recordKinds.reading,
      bucketSeconds,
      id: new Uint8Array(16),
      revision: 0,
      sealed: new Uint8Array(60_000),
    });
    {
      await using store = await openSqliteRecords(options);
      const fill = async () => {
        for (; kept < 200; kept += 1) await store.put([record(kept)], null);
      };
      await expect(fill()).rejects.toThrow(StoreFullError);
      expect(kept).toBeGreaterThan(5);
      expect((await store.counts())[recordKinds.reading]).toBe(kept);
    }
    await using again = await openSqliteRecords(options);
    const { subject, kind } = record(0);
    expect(await again.query({ subject, kind, fromSeconds: 0, untilSeconds: 1000, limit: 1000 })).toHaveLength(kept);
  });
});
