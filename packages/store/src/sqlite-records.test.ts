import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { StoreBusyError, StoreFailedError, StoreFullError, StoreSchemaError } from './errors.ts';
import { recordKinds, type SealedRecord } from './record.ts';
import { recordLimits } from './record-limits.ts';
import { runRecordStoreContract } from './record-store-contract.ts';
import { openSqliteRecords } from './sqlite-records.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-sqlite-'));
afterAll(() => rm(base, { recursive: true }));
let fileCount = 0;
let file = '';
const newFile = () => {
  fileCount += 1;
  file = join(base, `${fileCount}`, 'records.sqlite');
  return file;
};

runRecordStoreContract(
  { describe, it },
  {
    name: 'SQLite',
    open: () => openSqliteRecords({ file: newFile() }),
    reopen: () => openSqliteRecords({ file }),
    openSmall: () => openSqliteRecords({ file: newFile(), bytesMax: 512 * 1024 }),
  },
);

const record: SealedRecord = {
  subject: new Uint8Array(16),
  kind: recordKinds.window,
  bucketSeconds: 10,
  id: new Uint8Array(16),
  revision: 1,
  sealed: Uint8Array.of(1),
};

describe('SQLite records', () => {
  it('refuse to put below the free-space reserve, and still read', async () => {
    await (await openSqliteRecords({ file: newFile() }))[Symbol.asyncDispose]();
    await using store = await openSqliteRecords({ file, reserveBytes: Number.MAX_SAFE_INTEGER });
    await expect(store.put([record], null)).rejects.toThrow(StoreFullError);
    expect((await store.counts())[recordKinds.window]).toBe(0);
  });

  it('refuse a file of a newer version, of another program, or of no database, and leave it as it is', async () => {
    await (await openSqliteRecords({ file: newFile() }))[Symbol.asyncDispose]();
    change(file, 'PRAGMA user_version = 2');
    await expect(openSqliteRecords({ file })).rejects.toThrow(StoreSchemaError);
    change(file, 'PRAGMA user_version = 1; PRAGMA application_id = 7');
    await expect(openSqliteRecords({ file })).rejects.toThrow(StoreSchemaError);
    const others = join(base, 'others.sqlite');
    change(others, 'CREATE TABLE theirs (x)');
    await expect(openSqliteRecords({ file: others })).rejects.toThrow(StoreSchemaError);
    const text = join(base, 'text.sqlite');
    await writeFile(text, 'no database at all, but long enough to look like one'.repeat(100));
    await expect(openSqliteRecords({ file: text })).rejects.toThrow(StoreFailedError);
  });

  it('forget a holder of many records step by step, exactly', async () => {
    await using store = await openSqliteRecords({ file: newFile() });
    const count = 45_000;
    const records = Array.from({ length: count }, (_, index) => ({ ...record, bucketSeconds: index }));
    await store.put(records.slice(0, 40_000), { peer: 'ward', epoch: 'e' });
    await store.put(records.slice(40_000), { peer: 'cellar', epoch: 'e' });
    expect(await store.forgetCopies({ peer: 'ward', epoch: 'e' })).toBe(40_000);
    expect(await store.copyHolders()).toEqual([{ peer: 'cellar', epoch: 'e' }]);
    expect(await store.owed(10_000)).toHaveLength(10_000);
  });

  it('refuse the question and the put past what may wait, and answer all the others', async () => {
    await using store = await openSqliteRecords({ file: newFile() });
    const asks: (() => Promise<unknown>)[] = [() => store.counts(), () => store.put([record], null)];
    for (const ask of asks) {
      const asked = Array.from({ length: recordLimits.waitingRequestsMax + 1 }, ask);
      const outcomes = await Promise.allSettled(asked);
      const refused = outcomes.filter(({ status }) => status === 'rejected');
      expect(refused).toMatchObject([{ reason: expect.any(StoreBusyError) }]);
    }
    expect((await store.counts())[recordKinds.window]).toBe(1);
  });

  it('is safe in the hands of two processes', async () => {
    await using one = await openSqliteRecords({ file: newFile() });
    await using two = await openSqliteRecords({ file });
    const puts = Array.from({ length: 40 }, (_, index) =>
      (index % 2 === 0 ? one : two).put([{ ...record, bucketSeconds: index }], { peer: `p${index % 3}`, epoch: 'e' }),
    );
    await Promise.all(puts);
    expect((await one.counts())[recordKinds.window]).toBe(40);
    expect((await two.copyHolders()).length).toBe(3);
    expect(one.epoch).toBe(two.epoch);
  });
});

function change(path: string, statements: string): void {
  const database = new DatabaseSync(path);
  database.exec(statements);
  database.close();
}
