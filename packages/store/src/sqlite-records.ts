import { dirname } from 'node:path';
import { createSystemRandom, type Logger, type Random, silentLogger } from '@pulsemesh/base';
import { StoreBusyError, StoreClosedError, StoreFailedError } from './errors.ts';
import { reserveBytesDefault } from './free-space.ts';
import { makeDirectory } from './make-directory.ts';
import type {
  BucketDigest,
  CopyHolder,
  RecordKind,
  RecordQuery,
  RecordStore,
  ScanCursor,
  SealedRecord,
} from './record.ts';
import { packRecords, unpackRecords } from './record-codec.ts';
import { epochText } from './record-key.ts';
import { checkAsked, checkedRecordBytes, checkLimit, checkQuery, recordLimits } from './record-limits.ts';
import type { AskedBucket } from './sqlite-messages.ts';
import { SqliteThread } from './sqlite-thread.ts';

/** Where records lie and how large the file may grow. */
export interface SqliteRecordsOptions {
  /** Made when missing, with its directory. Beside it lie `-wal` and `-shm`, part of it until the store is closed. */
  readonly file: string;
  /** Bytes of the file; default unlimited. */
  readonly bytesMax?: number;
  /** Kept free on the disk; default 64 MiB. Below it puts are refused and all else goes on. */
  readonly reserveBytes?: number;
}

export interface SqliteRecordsDependencies {
  /** For the epoch of a new store; default the system's. */
  readonly random?: Random;
  readonly logger?: Logger;
}

/**
 * Records in one SQLite file (write-ahead log, full synchronisation), read and written by a worker thread, so that
 * the event loop never waits for a disk. Puts that wait together share one transaction and one flush. Other
 * processes may open the file too. Disposing finishes what waits and ends the thread.
 * @throws {StoreSchemaError} for a file of a newer version or another program; {@link StoreInUseError} while it is
 * locked; {@link StoreFailedError}.
 */
export async function openSqliteRecords(
  options: SqliteRecordsOptions,
  dependencies: SqliteRecordsDependencies = {},
): Promise<RecordStore> {
  const random = dependencies.random ?? createSystemRandom();
  try {
    makeDirectory(dirname(options.file));
  } catch (error) {
    throw new StoreFailedError('open', { cause: error });
  }
  const thread = await SqliteThread.start({
    file: options.file,
    newEpoch: epochText(random.bytes(16)),
    bytesMax: options.bytesMax ?? Number.POSITIVE_INFINITY,
    reserveBytes: options.reserveBytes ?? reserveBytesDefault,
  });
  return new SqliteRecords(thread, dependencies.logger ?? silentLogger);
}

interface WaitingPut {
  readonly records: readonly SealedRecord[];
  readonly bytes: number;
  readonly copy: CopyHolder | null;
  readonly settled: PromiseWithResolvers<void>;
}

class SqliteRecords implements RecordStore {
  readonly epoch: string;
  readonly #thread: SqliteThread;
  readonly #logger: Logger;
  #waiting: WaitingPut[] = [];
  #waitingBytes = 0;
  #waitingCount = 0;
  /** Settles when nothing waits any more; null while nothing is being written. */
  #writing: Promise<void> | null = null;
  #isClosed = false;
  #failure: StoreFailedError | null = null;

  constructor(thread: SqliteThread, logger: Logger) {
    this.#thread = thread;
    this.#logger = logger;
    this.epoch = thread.epoch;
  }

  async put(records: readonly SealedRecord[], copy: CopyHolder | null): Promise<void> {
    this.#assertUsable();
    const bytes = checkedRecordBytes(records);
    if (records.length === 0) return;
    if (this.#waitingBytes + bytes > recordLimits.waitingBytesMax) throw new StoreBusyError('waitingBytesMax');
    if (this.#waitingCount >= recordLimits.waitingRequestsMax) throw new StoreBusyError('waitingRequestsMax');
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ records, bytes, copy, settled });
    this.#waitingBytes += bytes;
    this.#waitingCount += 1;
    this.#writing ??= this.#writeAll();
    return settled.promise;
  }

  async query(query: RecordQuery): Promise<readonly SealedRecord[]> {
    this.#assertUsable();
    checkQuery(query);
    return [...unpackRecords(await this.#thread.call('query', query))];
  }

  async digests(asked: readonly AskedBucket[]): Promise<readonly BucketDigest[]> {
    this.#assertUsable();
    checkAsked(asked);
    return this.#thread.call('digests', asked);
  }

  async owed(limit: number): Promise<readonly SealedRecord[]> {
    this.#assertUsable();
    checkLimit(limit);
    return [...unpackRecords(await this.#thread.call('owed', limit))];
  }

  async forgetCopies(lost: CopyHolder): Promise<number> {
    let count = 0;
    let after: ScanCursor | null = null;
    do {
      this.#assertUsable();
      const step: { count: number; next: ScanCursor | null } = await this.#thread.call('forgetSome', { lost, after });
      count += step.count;
      after = step.next;
    } while (after !== null);
    return count;
  }

  async copyHolders(): Promise<readonly CopyHolder[]> {
    this.#assertUsable();
    return this.#thread.call('copyHolders', null);
  }

  async scan(after: ScanCursor | null, limit: number) {
    this.#assertUsable();
    checkLimit(limit);
    const { packed, next } = await this.#thread.call('scan', { after, limit });
    return { records: [...unpackRecords(packed)], next };
  }

  async subjects(): Promise<readonly Uint8Array[]> {
    this.#assertUsable();
    return this.#thread.call('subjects', null);
  }

  async counts(): Promise<Readonly<Record<RecordKind, number>>> {
    this.#assertUsable();
    return this.#thread.call('counts', null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.#thread.close();
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is put in the same turn shares the transaction
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      await this.#writeGroup(group);
      for (const put of group) this.#waitingBytes -= put.bytes;
      this.#waitingCount -= group.length;
    }
    this.#writing = null;
  }

  /** At least one put, and as many more as fit the limits of one. */
  #takeGroup(): WaitingPut[] {
    let bytes = 0;
    let records = 0;
    let count = 0;
    for (const put of this.#waiting) {
      bytes += put.bytes;
      records += put.records.length;
      if (count > 0 && (bytes > recordLimits.putBytesMax || records > recordLimits.putRecordsMax)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Settles every put of the group. */
  async #writeGroup(group: readonly WaitingPut[]): Promise<void> {
    try {
      if (this.#failure !== null) throw this.#failure;
      const packed = packRecords(group.map((put) => put.records));
      const puts = group.map(({ records, copy }) => ({ count: records.length, copy }));
      await this.#thread.call('put', { puts, packed }, [packed]);
      for (const put of group) put.settled.resolve();
    } catch (error) {
      if (error instanceof StoreFailedError && this.#failure === null) {
        this.#failure = error;
        this.#logger.error('the record store failed; the process must stop');
      }
      for (const put of group) put.settled.reject(error);
    }
  }

  #assertUsable(): void {
    if (this.#isClosed) throw new StoreClosedError();
    // After a failed flush nobody knows what is on the disk: no answer, good or bad, is worth anything.
    if (this.#failure !== null) throw this.#failure;
  }
}
