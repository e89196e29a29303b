import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { openLmdbTables } from './lmdb-tables.ts';
import { recordKinds } from './record.ts';
import { openSqliteRecords } from './sqlite-records.ts';

// No engine notices a flipped bit reliably; what is stored therefore carries its own proof (a seal), and the reader
// checks it. A digest stands in for the seal here.

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-rot-'));
afterAll(() => rm(base, { recursive: true }));

const marker = Buffer.alloc(64, 0xa5);
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const proven = (number: number) => {
  const content = Buffer.concat([marker, Buffer.from([number])]);
  return new Uint8Array(Buffer.concat([content, digestOf(content)]));
};
const isIntact = (bytes: Uint8Array) => digestOf(bytes.subarray(0, 65)).equals(bytes.subarray(65));

/** Flips one bit in every copy of a stored value that the file holds; free parts of it hold old copies too. */
async function flipStoredBits(file: string): Promise<void> {
  const random = createSeededRandom(1);
  const content = await readFile(file);
  let position = content.indexOf(marker);
  while (position >= 0) {
    const at = position + random.integer(marker.length);
    content[at] = (content[at] ?? 0) ^ (1 << random.integer(8));
    position = content.indexOf(marker, position + marker.length);
  }
  await writeFile(file, content);
}

describe('bits that flip on the disk', () => {
  it('are handed out by SQLite records as they are, for the seal to notice', async () => {
    const file = join(base, 'records.sqlite');
    const common = { subject: new Uint8Array(16), kind: recordKinds.reading, id: new Uint8Array(16), revision: 0 };
    {
      await using store = await openSqliteRecords({ file });
      const numbers = Array.from({ length: 100 }, (_, number) => number);
      await store.put(
        numbers.map((number) => ({ ...common, bucketSeconds: number, sealed: proven(number) })),
        null,
      );
    }
    await flipStoredBits(file);
    await using store = await openSqliteRecords({ file });
    const { records } = await store.scan(null, 1000);
    expect(records).toHaveLength(100);
    expect(records.filter(({ sealed }) => isIntact(sealed))).toEqual([]);
  });

  it('are handed out by LMDB tables as they are, for the seal to notice', async () => {
    const directory = join(base, 'tables');
    {
      await using store = await openLmdbTables({ directory });
      for (let number = 0; number < 100; number += 1) {
        await store.commit([{ kind: 'put', table: 'a', key: Uint8Array.of(number), value: proven(number) }]);
      }
    }
    await flipStoredBits(join(directory, 'data.mdb'));
    await using store = await openLmdbTables({ directory });
    const values = [...store.range('a')].map(({ value }) => value);
    expect(values).toHaveLength(100);
    expect(values.filter((value) => isIntact(value))).toEqual([]);
  });
});
