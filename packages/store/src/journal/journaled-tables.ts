import { errorCode, type Random } from '@pulsemesh/base';
import { compareBytes } from '../compare-bytes.ts';
import { StoreBusyError, StoreClosedError, StoreFailedError, StoreFullError } from '../errors.ts';
import { freeBytesOnDisk, reserveBytesDefault } from '../free-space.ts';
import {
  type LmdbTableStore,
  type LmdbTablesDependencies,
  type LmdbTablesOptions,
  openLmdbTables,
  tablesBytesMaxDefault,
} from '../lmdb-tables.ts';
import type { TableChange, TableEntry, TableRange, TableStore } from '../table.ts';
import { checkedChangeBytes, checkNewTable, tableLimits } from '../table-limits.ts';
import { takeGroup, type WaitingCommit } from '../waiting-commit.ts';
import { Overlay, type OverlayEntry } from './overlay.ts';
import { encodeRecord, markBytes } from './record.ts';
import { type Pending, readPending, writeChanges } from './recovery.ts';
import { fileOf, SegmentFiles } from './segment-files.ts';

export interface JournaledTablesOptions extends LmdbTablesOptions {
  /** Where the journal lies: a directory of its own beside the tables'. Made when missing. */
  readonly journalDirectory: string;
  /** A segment this long is handed to the tables; default 8 MiB. What is in memory besides is at most five times that. */
  readonly segmentBytes?: number;
}

export interface JournaledTablesDependencies extends LmdbTablesDependencies {
  readonly random: Random;
}

const segmentBytesDefault = 8 * 1024 * 1024;
/** While the tables are behind, a segment grows to this many times its length; then commits wait for them. */
const segmentGrowth = 4;
/** Changes of one record; what waits beyond it goes with the next. */
const groupBytesMax = 4 * 1024 * 1024;
/** What a system says that has no room. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Tables in LMDB behind a journal: a commit resolves once it is flushed to the journal (one write), and goes into the tables later, many commits
 * in one transaction. What is not there yet is kept in memory and read first; after a crash the journal is read again. For one process:
 * the caller keeps others out. Disposing puts all into the tables. Refusals as {@link openLmdbTables}; entries of a range are to be taken in one turn.
 * @throws {StoreSchemaError}; {StoreFailedError} when it cannot be opened, or the journal is damaged.
 */
export async function openJournaledTables(
  options: JournaledTablesOptions,
  dependencies: JournaledTablesDependencies,
): Promise<TableStore> {
  const reserveBytes = options.reserveBytes ?? reserveBytesDefault;
  // What was acknowledged must find room: the tables are given some of the reserve, and only the journal minds `bytesMax`.
  const tables = await openLmdbTables(
    {
      directory: options.directory,
      bytesMax: Number.POSITIVE_INFINITY,
      reserveBytes: Math.floor(reserveBytes / 2),
      tablesBesides: 1,
    },
    dependencies,
  );
  let files: SegmentFiles | null = null;
  try {
    files = await SegmentFiles.open(options.journalDirectory);
    const pending = await readPending(files, tables);
    const start = await startOf(pending, tables);
    return new JournaledTables({ ...options, reserveBytes }, { ...dependencies, tables, files }, start);
  } catch (error) {
    await files?.[Symbol.asyncDispose]();
    await tables[Symbol.asyncDispose]();
    if (error instanceof StoreFailedError || error instanceof StoreFullError) throw error;
    throw new StoreFailedError('open journal', { cause: error });
  }
}

/** Where a journal goes on. */
interface Start {
  readonly segment: number;
  readonly frozen: Overlay | null;
  readonly recordsBefore: number;
}

/**
 * Puts what is pending into the tables. Where these have no room, one segment waits for it, so that what is there can be read and removed;
 * two fill both files. @throws {StoreFullError} then.
 */
async function startOf(pending: Pending, tables: LmdbTableStore): Promise<Start> {
  const segment = pending.lastSegment + 1;
  if (pending.segments === 0) return { segment, frozen: null, recordsBefore: 0 };
  try {
    await writeChanges(tables, pending.changes, pending.lastSegment);
    return { segment, frozen: null, recordsBefore: 0 };
  } catch (error) {
    if (!(error instanceof StoreFullError) || pending.segments > 1) throw error;
    const frozen = new Overlay();
    frozen.apply(pending.changes);
    return { segment, frozen, recordsBefore: pending.lastRecords };
  }
}

class JournaledTables implements TableStore {
  readonly #options: JournaledTablesOptions & { readonly reserveBytes: number };
  readonly #dependencies: JournaledTablesDependencies;
  readonly #tables: LmdbTableStore;
  readonly #files: SegmentFiles;
  readonly #names = new Set<string>();
  #active = new Overlay();
  /** On its way into the tables. */
  #frozen: Overlay | null = null;
  #handing: Promise<void> | null = null;
  #segment: number;
  #mark: Uint8Array;
  #records = 0;
  #recordsBefore = 0;
  #position = 0;
  #waiting: WaitingCommit[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #state: 'open' | 'closed' | 'failed' = 'open';

  constructor(
    options: JournaledTablesOptions & { readonly reserveBytes: number },
    dependencies: JournaledTablesDependencies & { readonly tables: LmdbTableStore; readonly files: SegmentFiles },
    { segment, frozen, recordsBefore }: Start,
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#tables = dependencies.tables;
    this.#files = dependencies.files;
    this.#segment = segment;
    this.#frozen = frozen;
    this.#recordsBefore = recordsBefore;
    this.#mark = dependencies.random.bytes(markBytes);
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    this.#assertReadable();
    const entry = this.#active.get(table, key) ?? this.#frozen?.get(table, key);
    if (entry === undefined) return this.#tables.get(table, key);
    return entry.value === null ? undefined : new Uint8Array(entry.value);
  }

  *range(table: string, range: TableRange = {}): Iterable<TableEntry> {
    this.#assertReadable();
    const { limit = Number.POSITIVE_INFINITY, isReverse = false, ...ends } = range;
    const changed = this.#changedIn(table, ends);
    const stored = this.#tables.range(table, { ...ends, isReverse });
    let count = 0;
    for (const { key, value } of merged(stored, isReverse ? changed.toReversed() : changed, {
      isReverse,
      take: copyOf,
    })) {
      if (count >= limit) return;
      if (value === null) continue;
      count += 1;
      yield { key, value };
    }
  }

  count(table: string): number {
    this.#assertReadable();
    let count = this.#tables.count(table);
    for (const { key, value } of this.#changedIn(table, {})) {
      const wasThere = this.#tables.get(table, key) !== undefined;
      if (wasThere !== (value !== null)) count += wasThere ? -1 : 1;
    }
    return count;
  }

  /** In key order; lying in records. */
  #changedIn(table: string, ends: Pick<TableRange, 'from' | 'until'>): readonly OverlayEntry[] {
    const newer = this.#active.range(table, ends);
    const older = this.#frozen?.range(table, ends) ?? [];
    if (older.length === 0) return newer;
    return [...merged(older, newer, { isReverse: false, take: (entry) => entry })];
  }

  async commit(changes: readonly TableChange[]): Promise<void> {
    this.#assertUsable();
    if (changes.length === 0) return;
    const bytes = checkedChangeBytes(changes);
    for (const { table } of changes) this.#admitName(table);
    if (this.#waitingBytes + bytes > tableLimits.waitingBytesMax) throw new StoreBusyError('waitingBytesMax');
    const isRemoval = changes.every((change) => change.kind === 'remove');
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ changes, bytes, isRemoval, settled });
    this.#waitingBytes += bytes;
    this.#writing ??= this.#writeAll();
    return settled.promise;
  }

  #admitName(name: string): void {
    if (this.#names.has(name)) return;
    checkNewTable(name, this.#names.size);
    this.#names.add(name);
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is committed in the same turn shares the record
    while (this.#waiting.length > 0) {
      await this.#turnSegment();
      const group = takeGroup(this.#waiting, groupBytesMax);
      await this.#writeGroup(group);
      for (const commit of group) this.#waitingBytes -= commit.bytes;
    }
    this.#writing = null;
  }

  /** Settles every commit of the group. */
  async #writeGroup(group: readonly WaitingCommit[]): Promise<void> {
    try {
      if (this.#state === 'failed') throw new StoreFailedError('write after a failure');
      const full = await this.#fullReason();
      const admitted: WaitingCommit[] = [];
      for (const commit of group) {
        if (full === null || (commit.isRemoval && !this.#isFarBehind)) admitted.push(commit);
        else commit.settled.reject(new StoreFullError(full));
      }
      if (admitted.length === 0) return;
      await this.#append(admitted.flatMap(({ changes }) => changes));
      for (const commit of admitted) commit.settled.resolve();
    } catch (error) {
      const condition = this.#conditionOf(error);
      for (const commit of group) commit.settled.reject(condition);
    }
  }

  async #append(given: readonly TableChange[]): Promise<void> {
    const place = {
      segment: this.#segment,
      mark: this.#mark,
      number: this.#records,
      recordsBefore: this.#recordsBefore,
    };
    const { record, changes } = encodeRecord(given, place);
    await this.#files.write(fileOf(this.#segment), record, this.#position);
    this.#position += record.length;
    this.#records += 1;
    this.#active.apply(changes);
  }

  /** Hands a segment that is long enough to the tables, and waits for them where they are behind. */
  async #turnSegment(): Promise<void> {
    const { segmentBytes = segmentBytesDefault } = this.#options;
    if (this.#position < segmentBytes || this.#state === 'failed') return;
    if (this.#frozen !== null) {
      this.#handing ??= this.#hand(this.#frozen);
      if (this.#position < segmentBytes * segmentGrowth) return;
      await this.#handing;
      if (this.#frozen !== null) return; // the tables have no room
    }
    this.#freeze();
  }

  #freeze(): void {
    this.#frozen = this.#active;
    this.#active = new Overlay();
    this.#recordsBefore = this.#records;
    this.#records = 0;
    this.#position = 0;
    this.#segment += 1;
    this.#mark = this.#dependencies.random.bytes(markBytes);
    this.#handing = this.#hand(this.#frozen);
  }

  /** Never rejects: what the tables have no room for stays in the journal and is handed over later. */
  async #hand(overlay: Overlay): Promise<void> {
    try {
      await writeChanges(this.#tables, overlay.changes(), this.#segment - 1);
      this.#frozen = null;
    } catch (error) {
      if (!(error instanceof StoreFullError)) this.#fail();
    } finally {
      this.#handing = null;
    }
  }

  get #isFarBehind(): boolean {
    const { segmentBytes = segmentBytesDefault } = this.#options;
    return this.#frozen !== null && this.#position >= segmentBytes * segmentGrowth;
  }

  get #keptBytes(): number {
    return this.#tables.liveBytes + this.#active.bytes + (this.#frozen?.bytes ?? 0);
  }

  /** As much as there is room for. */
  async #handAll(): Promise<void> {
    await this.#handing;
    if (this.#frozen !== null) await this.#hand(this.#frozen);
    if (this.#frozen !== null || this.#active.isEmpty) return;
    this.#freeze();
    await this.#handing;
  }

  /** Why nothing may be put now, or null. */
  async #fullReason(): Promise<string | null> {
    const { bytesMax = tablesBytesMaxDefault, reserveBytes, journalDirectory } = this.#options;
    if (this.#isFarBehind) return 'the tables behind the journal';
    if (this.#keptBytes >= bytesMax) {
      // It may be less once what was removed is out of the tables, too.
      await this.#handAll();
      if (this.#keptBytes >= bytesMax) return 'bytesMax';
    }
    const { freeBytes = freeBytesOnDisk } = this.#dependencies;
    // A disk that does not say how full it is will say so when written to.
    const free = await freeBytes(journalDirectory).catch(() => Number.POSITIVE_INFINITY);
    return free < reserveBytes ? 'free-space reserve' : null;
  }

  #conditionOf(error: unknown): StoreFullError | StoreFailedError {
    if (error instanceof StoreFailedError) {
      this.#fail();
      return error;
    }
    // Nothing of the record counts: the next one is written in its place.
    if (fullCodes.has(errorCode(error))) return new StoreFullError('disk', { cause: error });
    this.#fail();
    return new StoreFailedError('journal', { cause: error });
  }

  #fail(): void {
    if (this.#state === 'failed') return;
    if (this.#state === 'open') this.#state = 'failed';
    this.#dependencies.logger?.error('the journal or its tables failed; the process must stop');
  }

  #assertReadable(): void {
    if (this.#state === 'closed') throw new StoreClosedError();
  }

  #assertUsable(): void {
    this.#assertReadable();
    if (this.#state === 'failed') throw new StoreFailedError('an earlier commit failed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    const wasFailed = this.#state === 'failed';
    this.#state = 'closed';
    await this.#writing;
    await this.#handing;
    if (!wasFailed) await this.#handAll();
    await this.#tables[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }
}

/** Both in order; of two with one key the changed one, as `take` makes it. */
function* merged(
  stored: Iterable<OverlayEntry>,
  changed: readonly OverlayEntry[],
  { isReverse, take }: { readonly isReverse: boolean; readonly take: (entry: OverlayEntry) => OverlayEntry },
): Iterable<OverlayEntry> {
  const sign = isReverse ? -1 : 1;
  let at = 0;
  for (const entry of stored) {
    let isReplaced = false;
    for (let next = changed[at]; next !== undefined && !isReplaced; next = changed[at]) {
      const order = compareBytes(next.key, entry.key) * sign;
      if (order > 0) break;
      at += 1;
      isReplaced = order === 0;
      yield take(next);
    }
    if (!isReplaced) yield entry;
  }
  for (; at < changed.length; at += 1) yield take(changed[at] as OverlayEntry);
}

/** Of its own: the entry lies in a record. */
function copyOf({ key, value }: OverlayEntry): OverlayEntry {
  return { key: new Uint8Array(key), value: value === null ? null : new Uint8Array(value) };
}
