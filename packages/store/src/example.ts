import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbTables, openSqliteRecords, recordKinds } from '@pulsemesh/store';

const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-example-'));
{
  await using tables = await openLmdbTables({ directory: join(directory, 'tables') });
  const key = Uint8Array.of(1);
  await tables.commit([{ kind: 'put', table: 'outbox', key, value: Uint8Array.of(7) }]); // on disk now
  assert.deepEqual(tables.get('outbox', key), Uint8Array.of(7));

  await using records = await openSqliteRecords({ file: join(directory, 'records.sqlite') });
  const subject = new Uint8Array(16);
  const record = { subject, kind: recordKinds.reading, bucketSeconds: 10, id: new Uint8Array(16), revision: 0 };
  await records.put([{ ...record, sealed: Uint8Array.of(1, 2, 3) }], null); // on disk now, its second copy owed
  assert.equal((await records.owed(10)).length, 1);
}
await rm(directory, { recursive: true });
