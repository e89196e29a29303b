import type { ProtocolName } from '@pulsemesh/network';
import { type BucketDigest, type CopyHolder, type RecordKind, recordKinds, type SealedRecord } from '@pulsemesh/store';
import {
  MalformedRecordError,
  parseArray,
  parseBytes,
  parseFields,
  parseInteger,
  parseText,
  parseTuple,
  RecordLimitError,
} from './parse.ts';

/** What storage peers serve, to trusted peers only. */
export const storageProtocol: ProtocolName = '/pulsemesh/storage/1';

/** What one call to a storage peer may carry, in either direction. */
export const storageLimits = {
  /** Records in a put, a copy or an answer. */
  recordsMax: 4096,
  /** Sum of the records' sizes (see {@link recordBytes}) in a put, a copy or an answer. */
  bytesMax: 8 * 1024 * 1024,
  /** One record's ciphertext. */
  sealedBytesMax: 64 * 1024,
  /** Buckets in one question for digests. */
  bucketsMax: 4096,
} as const;

/** The last second a bucket may start at: the year 2514. */
export const bucketSecondsMax = 2 ** 34;
const revisionMax = 2 ** 31 - 1;
const subjectBytes = 16;
const idBytes = 16;
const rowOverheadBytes = 64;

/** A record on the wire: `[subject, kind, bucketSeconds, id, revision, sealed]`. */
export type RecordRow = readonly [Uint8Array, number, number, Uint8Array, number, Uint8Array];

/** Which bucket a digest is asked for: `[subject, kind, bucketSeconds]`. */
export interface AskedBucket {
  readonly subject: Uint8Array;
  readonly kind: RecordKind;
  readonly bucketSeconds: number;
}

/** What a record counts for against {@link storageLimits}: its ciphertext and a flat 64 bytes for the rest. */
export function recordBytes(record: SealedRecord): number {
  return record.sealed.length + rowOverheadBytes;
}

export function toRow(record: SealedRecord): RecordRow {
  return [record.subject, record.kind, record.bucketSeconds, record.id, record.revision, record.sealed];
}

/**
 * The records of a put, a copy or an answer.
 * @throws {MalformedRecordError}; {@link RecordLimitError}: nothing of the call is taken.
 */
export function parseRows(value: unknown): readonly SealedRecord[] {
  let bytes = 0;
  return parseArray(value, 'records', storageLimits.recordsMax).map((row) => {
    const record = parseRow(row);
    bytes += recordBytes(record);
    if (bytes > storageLimits.bytesMax) throw new RecordLimitError('record bytes', storageLimits.bytesMax);
    return record;
  });
}

function parseRow(value: unknown): SealedRecord {
  const [subject, kind, bucketSeconds, id, revision, sealed] = parseTuple(value, 'record', 6);
  return {
    subject: parseBytes(subject, 'subject', subjectBytes),
    kind: parseKind(kind),
    bucketSeconds: parseInteger(bucketSeconds, 'bucketSeconds', 0, bucketSecondsMax),
    id: parseBytes(id, 'id', idBytes),
    revision: parseInteger(revision, 'revision', 0, revisionMax),
    sealed: parseBytes(sealed, 'sealed', { max: storageLimits.sealedBytesMax }),
  };
}

const knownKinds: ReadonlySet<unknown> = new Set(Object.values(recordKinds));

/** @throws {MalformedRecordError} */
export function parseKind(value: unknown): RecordKind {
  if (!knownKinds.has(value)) throw new MalformedRecordError('kind');
  return value as RecordKind; // one of the known numbers
}

/** 16 bytes. @throws {MalformedRecordError} */
export function parseSubject(value: unknown): Uint8Array {
  return parseBytes(value, 'subject', subjectBytes);
}

/** @throws {MalformedRecordError} */
export function parseHolder(value: unknown): CopyHolder {
  const fields = parseFields(value, 'holder');
  return { peer: parseText(fields['peer'], 'holder peer', 128), epoch: parseEpoch(fields['epoch']) };
}

/** The name a store was given when it was made. @throws {MalformedRecordError} */
export function parseEpoch(value: unknown): string {
  return parseText(value, 'epoch', 64);
}

/** @throws {MalformedRecordError}; {@link RecordLimitError} */
export function parseAsked(value: unknown): readonly AskedBucket[] {
  return parseArray(value, 'asked', storageLimits.bucketsMax).map((entry) => {
    const [subject, kind, bucketSeconds] = parseTuple(entry, 'asked bucket', 3);
    return {
      subject: parseSubject(subject),
      kind: parseKind(kind),
      bucketSeconds: parseInteger(bucketSeconds, 'bucketSeconds', 0, bucketSecondsMax),
    };
  });
}

/** As many digests as were asked for, in order. @throws {MalformedRecordError} */
export function parseDigests(value: unknown, count: number): readonly BucketDigest[] {
  return parseTuple(value, 'digests', count).map((entry) => {
    const [recordCount, idsXor] = parseTuple(entry, 'digest', 2);
    return {
      count: parseInteger(recordCount, 'digest count', 0, Number.MAX_SAFE_INTEGER),
      idsXor: parseBytes(idsXor, 'digest ids', idBytes),
    };
  });
}

/**
 * Cuts `records` into parts that fit one call each, in order.
 * @throws {RecordLimitError} when one record alone is too long.
 */
export function splitForCalls(records: readonly SealedRecord[], bytesMax = storageLimits.bytesMax): SealedRecord[][] {
  const parts: SealedRecord[][] = [];
  let part: SealedRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (record.sealed.length > storageLimits.sealedBytesMax) {
      throw new RecordLimitError('sealed bytes', storageLimits.sealedBytesMax);
    }
    const size = recordBytes(record);
    if (part.length > 0 && (part.length === storageLimits.recordsMax || bytes + size > bytesMax)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(record);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
