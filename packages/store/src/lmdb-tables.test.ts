import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreFailedError, StoreFullError } from './errors.ts';
import { openLmdbTables } from './lmdb-tables.ts';
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

  it('cannot be opened where a file is in the way', async () => {
    await expect(openLmdbTables({ directory: join(import.meta.filename, 'x') })).rejects.toThrow(StoreFailedError);
  });
});
