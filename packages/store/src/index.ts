export {
  StoreBusyError,
  StoreClosedError,
  StoreFailedError,
  StoreFullError,
  StoreInUseError,
  StoreLimitError,
  StoreSchemaError,
} from './errors.ts';
export { type FreeBytes, freeBytesOnDisk } from './free-space.ts';
export { openJournaledTables } from './journal/journaled-tables.ts';
export { type LmdbTablesDependencies, type LmdbTablesOptions, openLmdbTables } from './lmdb-tables.ts';
export { lockDirectory } from './lock-directory.ts';
export { makeDirectory } from './make-directory.ts';
export { createMemoryRecords } from './memory-records.ts';
export { createMemoryTables } from './memory-tables.ts';
export {
  type BucketDigest,
  type CopyHolder,
  type RecordKind,
  type RecordQuery,
  type RecordStore,
  recordKinds,
  type ScanCursor,
  type SealedRecord,
} from './record.ts';
export { recordLimits } from './record-limits.ts';
export { openSqliteRecords, type SqliteRecordsDependencies, type SqliteRecordsOptions } from './sqlite-records.ts';
export type { TableChange, TableEntry, TableRange, TableStore } from './table.ts';
export { tableLimits } from './table-limits.ts';
