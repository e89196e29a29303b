import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreBusyError, StoreFailedError, StoreFullError, StoreSchemaError } from './errors.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { tableLimits } from './table-limits.ts';
import { runTableStoreContract } from './table-store-contract.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-lmdb-'));
afterAll(() => rm(base, { recursive: true }));
let directoryCount = 0;
let directory = '';
const newDirectory = () => {
  directoryCount += 1;
  directory = join(base, `${directoryCount}`);
  return directory;
};

runTableStoreContract(
  { describe, it },
  {
    name: 'LMDB',
    open: () => openLmdbTables({ directory: newDirectory() }),
    reopen: () => openLmdbTables({ directory }),
    openSmall: () => openLmdbTables({ directory: newDirectory(), bytesMax: 512 * 1024 }),
  },
);

const key = Uint8Array.of(1);
const putOne = [{ kind: 'put', table: 'a', key, value: key }] as const;

describe('LMDB tables', () => {
  it('refuse to put below the free-space reserve, and still remove', async () => {
    let freeBytes = 2000;
    await using store = await openLmdbTables(
      { directory: newDirectory(), reserveBytes: 1000 },
      { freeBytes: async () => freeBytes },
    );
    await store.commit(putOne);
    freeBytes = 999;
    const outcomes = await Promise.allSettled([
      store.commit(putOne),
      store.commit([{ kind: 'remove', table: 'a', key }]),
    ]);
    expect(outcomes[0]).toMatchObject({ reason: expect.any(StoreFullError) });
    expect(outcomes[1]?.status).toBe('fulfilled');
    expect(store.count('a')).toBe(0);
    freeBytes = 1000;
    await store.commit(putOne);
    expect(store.count('a')).toBe(1);
  });

  it('refuse an environment of a newer version, and leave it as it is', async () => {
    await (await openLmdbTables({ directory: newDirectory() }))[Symbol.asyncDispose]();
    const root = open({ path: directory, noSubdir: false, overlappingSync: false });
    const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;
    const meta = root.openDB<Uint8Array, Uint8Array>('\u0001meta', binary);
    await meta.put(Uint8Array.of(1), Uint8Array.of(2));
    await root.close();
    await expect(openLmdbTables({ directory })).rejects.toThrow(StoreSchemaError);
    await expect(openLmdbTables({ directory })).rejects.toThrow('has schema 2');
  });

  it('refuse what waits past the limit, and take it once there is room', async () => {
    await using store = await openLmdbTables({ directory: newDirectory() });
    const value = new Uint8Array(tableLimits.valueBytesMax);
    const commits = Array.from({ length: 17 }, (_, number) =>
      store.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(number), value }]),
    );
    const outcomes = await Promise.allSettled(commits);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: expect.any(StoreBusyError) },
      { reason: expect.any(StoreBusyError) },
    ]);
    await store.commit(putOne);
  });

  it('cannot be opened where a file is in the way', async () => {
    await expect(openLmdbTables({ directory: join(import.meta.filename, 'x') })).rejects.toThrow(StoreFailedError);
  });
});
