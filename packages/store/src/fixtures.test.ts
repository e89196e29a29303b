import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openLmdbTables } from './lmdb-tables.ts';
import { openSqliteRecords } from './sqlite-records.ts';

// Stores as each released schema wrote them: a new version of the program must go on reading them.
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
const base = await mkdtemp(join(tmpdir(), 'pulsemesh-fixtures-'));
await cp(fixtures, base, { recursive: true });
afterAll(() => rm(base, { recursive: true }));

describe('stores of schema 1', () => {
  it('are read: records', async () => {
    await using store = await openSqliteRecords({ file: join(base, 'records-1.sqlite') });
    expect(store.epoch).toBe('dd3e65a2671b55e1933c3c73d8b4654e');
    expect((await store.scan(null, 10)).records).toEqual([
      {
        subject: new Uint8Array(16).fill(1),
        kind: 1,
        bucketSeconds: 1_700_000_000,
        id: new Uint8Array(16).fill(2),
        revision: 3,
        sealed: Uint8Array.of(1, 2, 3),
      },
    ]);
    expect(await store.copyHolders()).toEqual([{ peer: 'ward', epoch: 'e1' }]);
  });

  it('are read: tables', async () => {
    await using store = await openLmdbTables({ directory: join(base, 'tables-1') });
    expect(store.get('outbox', Uint8Array.of(1))).toEqual(Uint8Array.of(7, 8));
  });
});
