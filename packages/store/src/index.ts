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
export type { TableChange, TableEntry, TableRange, TableStore } from './table.ts';
