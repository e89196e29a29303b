import type { DatabaseSync } from 'node:sqlite';
import { StoreFailedError, StoreSchemaError } from './errors.ts';
import { allRecordKinds } from './record-limits.ts';

export const schemaVersion = 1;
/** "PULS": tells our files from others'. */
const applicationId = 0x50554c53;

const tables = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
  -- Who holds second copies, and of how many records; number 0 stands for nobody.
  CREATE TABLE holders (number INTEGER PRIMARY KEY, peer TEXT NOT NULL, epoch TEXT NOT NULL,
    record_count INTEGER NOT NULL, UNIQUE (peer, epoch)) STRICT;
  CREATE TABLE counts (kind INTEGER PRIMARY KEY, record_count INTEGER NOT NULL) STRICT;
  CREATE TABLE records (subject BLOB NOT NULL, kind INTEGER NOT NULL, bucket INTEGER NOT NULL, id BLOB NOT NULL,
    revision INTEGER NOT NULL, copy INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (subject, kind, bucket, id)) WITHOUT ROWID, STRICT;
  CREATE INDEX records_owed ON records (subject, kind, bucket, id) WHERE copy = 0;
`;

/**
 * Makes a new database ready or checks that an old one is ours and not newer; returns its epoch.
 * @throws {StoreSchemaError}; {@link StoreFailedError} where SQLite cannot keep its promise on this disk.
 */
export function prepareDatabase(database: DatabaseSync, newEpoch: string): string {
  const found = { id: pragma(database, 'application_id'), version: pragma(database, 'user_version') };
  const isNew = found.id === 0 && found.version === 0 && isEmpty(database);
  if (!isNew && found.id !== applicationId) throw new StoreSchemaError('of another program', schemaVersion);
  if (!isNew && found.version !== schemaVersion) throw new StoreSchemaError(String(found.version), schemaVersion);
  makeDurable(database);
  if (isNew) createTables(database, newEpoch);
  const row = database.prepare("SELECT value FROM meta WHERE name = 'epoch'").get();
  if (typeof row?.['value'] !== 'string') throw new StoreSchemaError('without an epoch', schemaVersion);
  return row['value'];
}

function makeDurable(database: DatabaseSync): void {
  const journal = pragma(database, 'journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  // On macOS an fsync alone leaves the data in the drive's own memory; elsewhere these do nothing.
  database.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON');
  database.exec('PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864');
  if (journal !== 'wal' || pragma(database, 'synchronous') !== 2) {
    throw new StoreFailedError('open: write-ahead logging with full synchronisation is not possible on this disk');
  }
}

function createTables(database: DatabaseSync, newEpoch: string): void {
  database.exec('BEGIN IMMEDIATE');
  // Another process may have made them while this one waited for the lock.
  if (isEmpty(database)) {
    database.exec(tables);
    database.prepare("INSERT INTO meta VALUES ('epoch', ?)").run(newEpoch);
    const insertCount = database.prepare('INSERT INTO counts VALUES (?, 0)');
    for (const kind of allRecordKinds) insertCount.run(kind);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`);
  }
  database.exec('COMMIT');
}

function isEmpty(database: DatabaseSync): boolean {
  return database.prepare('SELECT count(*) AS found FROM sqlite_schema').get()?.['found'] === 0;
}

function pragma(database: DatabaseSync, text: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${text}`).get() ?? {})[0];
}
