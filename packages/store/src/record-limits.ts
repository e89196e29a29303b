import { StoreLimitError } from './errors.ts';
import { type RecordKind, type RecordQuery, recordKinds, type SealedRecord } from './record.ts';

/** Limits of every {@link RecordStore}; past them a call rejects with a {@link StoreLimitError}. */
export const recordLimits = {
  sealedBytesMax: 64 * 1024,
  /** Records of one query or page. */
  resultRecordsMax: 10_000,
  /** Sealed bytes of one query; a page of `scan` ends there instead. */
  resultBytesMax: 64 * 1024 * 1024,
  /** Records and sealed bytes of one put. */
  putRecordsMax: 100_000,
  putBytesMax: 64 * 1024 * 1024,
  /** Sealed bytes of all puts that wait at one time; past it {@link StoreBusyError}. */
  waitingBytesMax: 256 * 1024 * 1024,
  /** Questions that wait at one time, and puts likewise; past it {@link StoreBusyError}. */
  waitingRequestsMax: 10_000,
  /** Buckets of one `digests`. */
  askedBucketsMax: 100_000,
} as const;

export const allRecordKinds: readonly RecordKind[] = Object.values(recordKinds);

/** Sealed bytes of a put. @throws {StoreLimitError} naming what is wrong with a record. */
export function checkedRecordBytes(records: readonly SealedRecord[]): number {
  if (records.length > recordLimits.putRecordsMax) throw new StoreLimitError('putRecordsMax');
  let bytes = 0;
  for (const record of records) {
    checkKey(record);
    if (record.id.length !== 16) throw new StoreLimitError('id is 16 bytes');
    if (!Number.isInteger(record.revision) || record.revision < 0 || record.revision >= 2 ** 31) {
      throw new StoreLimitError('revision');
    }
    if (record.sealed.length > recordLimits.sealedBytesMax) throw new StoreLimitError('sealedBytesMax');
    bytes += record.sealed.length;
  }
  if (bytes > recordLimits.putBytesMax) throw new StoreLimitError('putBytesMax');
  return bytes;
}

/** @throws {StoreLimitError} */
export function checkKey(key: { subject: Uint8Array; kind: RecordKind; bucketSeconds: number }): void {
  if (key.subject.length !== 16) throw new StoreLimitError('subject is 16 bytes');
  if (!allRecordKinds.includes(key.kind)) throw new StoreLimitError('kind');
  if (!Number.isSafeInteger(key.bucketSeconds) || key.bucketSeconds < 0) throw new StoreLimitError('bucketSeconds');
}

/** @throws {StoreLimitError} */
export function checkAsked(asked: readonly { subject: Uint8Array; kind: RecordKind; bucketSeconds: number }[]): void {
  if (asked.length > recordLimits.askedBucketsMax) throw new StoreLimitError('askedBucketsMax');
  for (const key of asked) checkKey(key);
}

/** @throws {StoreLimitError} */
export function checkQuery(query: RecordQuery): void {
  if (query.subject.length !== 16) throw new StoreLimitError('subject is 16 bytes');
  if (!allRecordKinds.includes(query.kind)) throw new StoreLimitError('kind');
  checkLimit(query.limit);
}

/** @throws {StoreLimitError} */
export function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > recordLimits.resultRecordsMax) {
    throw new StoreLimitError('limit is 1 … resultRecordsMax');
  }
}
