import { createSystemRandom, type Random } from '@pulsemesh/base';
import { compareBytes } from './compare-bytes.ts';
import { StoreClosedError, StoreFullError, StoreLimitError } from './errors.ts';
import type {
  BucketDigest,
  CopyHolder,
  RecordKind,
  RecordQuery,
  RecordStore,
  ScanCursor,
  SealedRecord,
} from './record.ts';
import { decodeCursor, encodeCursor, epochText } from './record-key.ts';
import { checkAsked, checkedRecordBytes, checkLimit, checkQuery, recordLimits } from './record-limits.ts';
import { emptyCounts, xorInto } from './record-sums.ts';

interface Stored {
  readonly cursor: Uint8Array;
  record: SealedRecord;
  /** Null: the second copy is owed. */
  copy: CopyHolder | null;
}

/**
 * Records in memory: for tests and simulation, durable as long as the object lives. `bytesMax` (default unlimited)
 * bounds the sealed bytes; `random` gives the epoch.
 */
export function createMemoryRecords(
  options: { readonly bytesMax?: number; readonly random?: Random } = {},
): RecordStore {
  return new MemoryRecords(options.bytesMax ?? Number.POSITIVE_INFINITY, options.random ?? createSystemRandom());
}

class MemoryRecords implements RecordStore {
  readonly epoch: string;
  readonly #bytesMax: number;
  /** By cursor, as latin-1 text. */
  readonly #stored = new Map<string, Stored>();
  #bytes = 0;
  #isClosed = false;
  /** All of it, in key order unless something was appended since. */
  readonly #entries: Stored[] = [];
  #isSorted = true;

  constructor(bytesMax: number, random: Random) {
    this.#bytesMax = bytesMax;
    this.epoch = epochText(random.bytes(16));
  }

  async put(records: readonly SealedRecord[], copy: CopyHolder | null): Promise<void> {
    this.#assertOpen();
    const addedBytes = checkedRecordBytes(records);
    if (this.#bytes + addedBytes > this.#bytesMax) throw new StoreFullError('bytesMax');
    for (const record of records) this.#putOne(record, copy === null ? null : { ...copy });
  }

  async query(query: RecordQuery): Promise<readonly SealedRecord[]> {
    checkQuery(query);
    const found = this.#bucketRange(query.subject, query.kind, query.fromSeconds, query.untilSeconds);
    if (query.isReverse) found.reverse();
    const page = found.slice(0, query.limit);
    if (sealedBytesOf(page) > recordLimits.resultBytesMax) throw new StoreLimitError('resultBytesMax');
    return page.map((stored) => copyOf(stored.record));
  }

  async digests(
    asked: readonly { readonly subject: Uint8Array; readonly kind: RecordKind; readonly bucketSeconds: number }[],
  ): Promise<readonly BucketDigest[]> {
    checkAsked(asked);
    return asked.map((key) => {
      const found = this.#bucketRange(key.subject, key.kind, key.bucketSeconds, key.bucketSeconds + 1);
      const idsXor = new Uint8Array(16);
      for (const { record } of found) xorInto(idsXor, record.id);
      return { count: found.length, idsXor };
    });
  }

  async owed(limit: number): Promise<readonly SealedRecord[]> {
    checkLimit(limit);
    const found = this.#inOrder().filter((stored) => stored.copy === null);
    return found.slice(0, limit).map((stored) => copyOf(stored.record));
  }

  async forgetCopies(lost: CopyHolder): Promise<number> {
    this.#assertOpen();
    let count = 0;
    for (const stored of this.#entries) {
      if (stored.copy?.peer !== lost.peer || stored.copy.epoch !== lost.epoch) continue;
      stored.copy = null;
      count += 1;
    }
    return count;
  }

  async copyHolders(): Promise<readonly CopyHolder[]> {
    const holders = new Map<string, CopyHolder>();
    for (const { copy } of this.#inOrder()) {
      if (copy !== null) holders.set(`${copy.peer} ${copy.epoch}`, { ...copy });
    }
    return [...holders.values()];
  }

  async scan(after: ScanCursor | null, limit: number) {
    checkLimit(limit);
    if (after !== null) decodeCursor(after); // refuses what is none
    const sorted = this.#inOrder();
    const start = after === null ? 0 : lowerBound(sorted, after, true);
    const whole = sorted.slice(start, start + limit);
    const page = whole.slice(0, countWithin(whole, recordLimits.resultBytesMax));
    const isLast = page.length === whole.length && page.length < limit;
    const next = isLast ? null : (page.at(-1)?.cursor.slice() ?? null);
    return { records: page.map((stored) => copyOf(stored.record)), next };
  }

  async subjects(): Promise<readonly Uint8Array[]> {
    const subjects: Uint8Array[] = [];
    for (const { record } of this.#inOrder()) {
      const last = subjects.at(-1);
      if (last === undefined || compareBytes(last, record.subject) !== 0) subjects.push(record.subject.slice());
    }
    return subjects;
  }

  async counts(): Promise<Readonly<Record<RecordKind, number>>> {
    const counts = emptyCounts();
    for (const { record } of this.#inOrder()) counts[record.kind] += 1;
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
  }

  #putOne(record: SealedRecord, copy: CopyHolder | null): void {
    const cursor = encodeCursor(record);
    const key = Buffer.from(cursor.buffer).toString('latin1');
    const present = this.#stored.get(key);
    if (present === undefined) {
      const stored = { cursor, record: copyOf(record), copy };
      this.#stored.set(key, stored);
      this.#entries.push(stored);
      this.#isSorted = false;
      this.#bytes += record.sealed.length;
    } else if (present.record.revision < record.revision) {
      this.#bytes += record.sealed.length - present.record.sealed.length;
      present.record = copyOf(record);
      present.copy = copy;
    } else if (present.record.revision === record.revision) {
      present.copy = copy;
    }
  }

  #bucketRange(subject: Uint8Array, kind: RecordKind, fromSeconds: number, untilSeconds: number): Stored[] {
    if (untilSeconds <= fromSeconds) return [];
    const edge = (bucketSeconds: number) =>
      encodeCursor({ subject, kind, bucketSeconds: Math.max(0, bucketSeconds), id: new Uint8Array(16) });
    const sorted = this.#inOrder();
    return sorted.slice(lowerBound(sorted, edge(fromSeconds)), lowerBound(sorted, edge(untilSeconds)));
  }

  #inOrder(): readonly Stored[] {
    this.#assertOpen();
    // Sorting a sorted array with a few appended entries costs little more than one pass.
    if (!this.#isSorted) this.#entries.sort((a, b) => compareBytes(a.cursor, b.cursor));
    this.#isSorted = true;
    return this.#entries;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new StoreClosedError();
  }
}

function sealedBytesOf(page: readonly Stored[]): number {
  return page.reduce((bytes, { record }) => bytes + record.sealed.length, 0);
}

/** How many of `page`, from the first, until together they weigh `bytesMax`; all when they weigh less. */
function countWithin(page: readonly Stored[], bytesMax: number): number {
  let bytes = 0;
  for (const [index, { record }] of page.entries()) {
    bytes += record.sealed.length;
    if (bytes >= bytesMax) return index + 1;
  }
  return page.length;
}

function copyOf(record: SealedRecord): SealedRecord {
  const { subject, kind, bucketSeconds, id, revision, sealed } = record;
  return { subject: subject.slice(), kind, bucketSeconds, id: id.slice(), revision, sealed: sealed.slice() };
}

/** The first position whose cursor is at (or, with `isAfter`, past) `cursor`. */
function lowerBound(sorted: readonly Stored[], cursor: Uint8Array, isAfter = false): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareBytes((sorted[middle] as Stored).cursor, cursor);
    if (order < 0 || (isAfter && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}
