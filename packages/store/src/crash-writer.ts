import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { openJournaledTables } from './journal/journaled-tables.ts';
import { openLmdbTables } from './lmdb-tables.ts';
import { recordKinds } from './record.ts';
import { openSqliteRecords } from './sqlite-records.ts';

// A process for the crash tests: writes numbered entries for ever, eight writers at once, and prints each number
// once its write is acknowledged. Arguments: lmdb DIRECTORY | journal DIRECTORY | sqlite FILE, then the first number.

const [engine, path = '', first = '0'] = process.argv.slice(2);
let next = Number(first);

const write = engine === 'sqlite' ? await sqliteWriter() : await tablesWriter();
await Promise.all(Array.from({ length: 8 }, writeForEver));

async function writeForEver(): Promise<never> {
  for (;;) {
    const number = next;
    next += 1;
    await write(number);
    process.stdout.write(`${number}\n`);
  }
}

function openTables() {
  if (engine === 'lmdb') return openLmdbTables({ directory: path });
  // Short segments: some of it is always on its way into LMDB.
  const options = { directory: join(path, 'tables'), journalDirectory: join(path, 'journal'), segmentBytes: 20_000 };
  return openJournaledTables(options, { random: createSystemRandom() });
}

async function tablesWriter() {
  const store = await openTables();
  return (number: number) => {
    const key = numbered(number);
    // Two tables in one transaction: what is in one must be in the other.
    return store.commit([
      { kind: 'put', table: 'log', key, value: key },
      { kind: 'put', table: 'seen', key, value: key },
    ]);
  };
}

async function sqliteWriter() {
  const store = await openSqliteRecords({ file: path });
  const { window, prediction } = recordKinds;
  return (number: number) => {
    const common = { subject: new Uint8Array(16), bucketSeconds: 0, id: numbered(number), revision: 0 };
    // Two records in one put: what is of one kind must be of the other.
    return store.put(
      [window, prediction].map((kind) => ({ ...common, kind, sealed: new Uint8Array(200) })),
      null,
    );
  };
}

/** 16 bytes that sort by number. */
function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return bytes;
}
