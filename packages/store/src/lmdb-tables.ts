import { type Logger, silentLogger } from '@pulsemesh/base';
import { type Database, open, type RootDatabase } from 'lmdb';
import { StoreBusyError, StoreClosedError, StoreFailedError, StoreFullError, StoreSchemaError } from './errors.ts';
import { type FreeBytes, freeBytesOnDisk, reserveBytesDefault } from './free-space.ts';
import { makeDirectory } from './make-directory.ts';
import type { TableChange, TableEntry, TableRange, TableStore } from './table.ts';
import { checkedChangeBytes, checkNewTable, tableLimits } from './table-limits.ts';
import { takeGroup, type WaitingCommit } from './waiting-commit.ts';

/** Where tables lie and how large they may grow. */
export interface LmdbTablesOptions {
  /** Made when missing; holds nothing but this environment. */
  readonly directory: string;
  /** Bytes of live pages over all tables; default 64 GiB. The file may be larger, by pages that are free again. */
  readonly bytesMax?: number;
  /** Kept free on the disk; default 64 MiB. */
  readonly reserveBytes?: number;
  /** Tables besides `tablesMax`, for what is built upon these; default 0. */
  readonly tablesBesides?: number;
}

export interface LmdbTablesDependencies {
  readonly logger?: Logger;
  /** Default: what the operating system says. */
  readonly freeBytes?: FreeBytes;
}

/** Bytes of live pages. */
export const tablesBytesMaxDefault = 64 * 1024 ** 3;

/** Tables that know how large they are. */
export interface LmdbTableStore extends TableStore {
  /** Bytes of live pages over all tables in use. */
  readonly liveBytes: number;
}

/**
 * Tables in one LMDB environment. A commit resolves after its transaction is flushed; commits that wait together
 * share one transaction and one flush. Keys and values must not be changed before `commit` settles. Several processes
 * may open one directory: LMDB keeps them consistent.
 * A commit that puts is refused with {@link StoreFullError} below the reserve; one that only removes is not.
 * Disposing finishes the commits that wait.
 * @throws {StoreSchemaError} for an environment of a newer version; {@link StoreFailedError} when it cannot be opened.
 */
export async function openLmdbTables(
  options: LmdbTablesOptions,
  dependencies: LmdbTablesDependencies = {},
): Promise<LmdbTableStore> {
  let root: RootDatabase<Uint8Array, Uint8Array> | undefined;
  try {
    makeDirectory(options.directory);
    root = open<Uint8Array, Uint8Array>({
      path: options.directory,
      noSubdir: false,
      maxDbs: tableLimits.tablesMax + 1 + (options.tablesBesides ?? 0),
      pageSize: 8192,
      // A commit's promise then means flushed, not only visible.
      overlappingSync: false,
      // Commits are grouped here. The library's own grouping makes a promise that nobody holds: when a commit
      // fails, its rejection would end the process before the caller hears of the failure.
      eventTurnBatching: false,
      ...binary,
    });
    await checkSchema(root);
    return new LmdbTables(root, options, dependencies);
  } catch (error) {
    await root?.close();
    throw error instanceof StoreSchemaError ? error : new StoreFailedError('open', { cause: error });
  }
}

const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;
const schemaVersion = 1;
const schemaKey = Uint8Array.of(1);
/** A table of its own, which no caller can name: its name is not a table name. */
const metaTable = '\u0001meta';

async function checkSchema(root: RootDatabase<Uint8Array, Uint8Array>): Promise<void> {
  const meta = root.openDB<Uint8Array, Uint8Array>(metaTable, binary);
  const found = meta.get(schemaKey);
  if (found === undefined) await meta.put(schemaKey, Uint8Array.of(schemaVersion));
  else if (found[0] !== schemaVersion) throw new StoreSchemaError(String(found[0]), schemaVersion);
}

/** Keys and values of one transaction; what waits beyond it goes with the next. */
const groupBytesMax = 32 * 1024 * 1024;

class LmdbTables implements LmdbTableStore {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #tablesBesides: number;
  readonly #reserveBytes: number;
  readonly #logger: Logger;
  readonly #freeBytes: FreeBytes;
  readonly #tables = new Map<string, Database<Uint8Array, Uint8Array>>();
  #waiting: WaitingCommit[] = [];
  #waitingBytes = 0;
  /** Settles when nothing waits any more; null while nothing is being written. */
  #writing: Promise<void> | null = null;
  #state: 'open' | 'closed' | 'failed' = 'open';

  constructor(
    root: RootDatabase<Uint8Array, Uint8Array>,
    options: LmdbTablesOptions,
    dependencies: LmdbTablesDependencies,
  ) {
    this.#root = root;
    this.#directory = options.directory;
    this.#bytesMax = options.bytesMax ?? tablesBytesMaxDefault;
    this.#tablesBesides = options.tablesBesides ?? 0;
    this.#reserveBytes = options.reserveBytes ?? reserveBytesDefault;
    this.#logger = dependencies.logger ?? silentLogger;
    this.#freeBytes = dependencies.freeBytes ?? freeBytesOnDisk;
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    const value = this.#table(table).get(key);
    return value === undefined ? undefined : plain(value);
  }

  *range(table: string, range: TableRange = {}): Iterable<TableEntry> {
    for (const { key, value } of this.#table(table).getRange(rangeOptions(range))) {
      yield { key: plain(key), value: plain(value) };
    }
  }

  count(table: string): number {
    return statsOf(this.#table(table)).entryCount;
  }

  async commit(changes: readonly TableChange[]): Promise<void> {
    this.#assertUsable();
    if (changes.length === 0) return;
    const bytes = checkedChangeBytes(changes);
    for (const change of changes) this.#table(change.table);
    if (this.#waitingBytes + bytes > tableLimits.waitingBytesMax) throw new StoreBusyError('waitingBytesMax');
    const isRemoval = changes.every((change) => change.kind === 'remove');
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ changes, bytes, isRemoval, settled });
    this.#waitingBytes += bytes;
    this.#writing ??= this.#writeAll();
    return settled.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    await this.#writing;
    await this.#root.close();
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is committed in the same turn shares the transaction
    while (this.#waiting.length > 0) {
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
        if (full === null || commit.isRemoval) admitted.push(commit);
        else commit.settled.reject(new StoreFullError(full));
      }
      if (admitted.length > 0) await this.#transact(admitted);
      for (const commit of admitted) commit.settled.resolve();
    } catch (error) {
      const condition = await this.#conditionOf(error);
      for (const commit of group) commit.settled.reject(condition);
    }
  }

  async #transact(commits: readonly WaitingCommit[]): Promise<void> {
    const outcomes = new Set<Promise<unknown>>();
    const whole = this.#root.batch(() => {
      for (const { changes } of commits) {
        for (const change of changes) {
          const table = this.#table(change.table, true);
          outcomes.add(change.kind === 'put' ? table.put(change.key, change.value) : table.remove(change.key));
        }
      }
    });
    // They reject together with the whole; unheard, each would count as an unhandled rejection.
    for (const outcome of outcomes) outcome.catch(() => {});
    await whole;
  }

  get liveBytes(): number {
    let bytes = 0;
    for (const table of this.#tables.values()) {
      const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = statsOf(table);
      bytes += pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages);
    }
    return bytes;
  }

  /** Why nothing may be put now, or null. */
  async #fullReason(): Promise<string | null> {
    if (this.liveBytes >= this.#bytesMax) return 'bytesMax';
    // A disk that does not say how full it is will say so when written to.
    const freeBytes = await this.#freeBytes(this.#directory).catch(() => Number.POSITIVE_INFINITY);
    return freeBytes < this.#reserveBytes ? 'free-space reserve' : null;
  }

  /** LMDB reports a full disk as an I/O error: the free space tells the two apart. */
  async #conditionOf(error: unknown): Promise<StoreFullError | StoreFailedError> {
    if (error instanceof StoreFailedError) return error;
    const cause = await causeOf(error);
    // A database whose flush failed answers nothing more, not even how full it is.
    const reason = await this.#fullReason().catch(() => null);
    if (reason !== null) return new StoreFullError(reason, { cause });
    this.#state = this.#state === 'open' ? 'failed' : this.#state;
    this.#logger.error('the table store failed; the process must stop');
    return new StoreFailedError('commit', { cause });
  }

  #assertUsable(): void {
    if (this.#state === 'closed') throw new StoreClosedError();
    if (this.#state === 'failed') throw new StoreFailedError('an earlier commit failed');
  }

  #table(name: string, isWriting = false): Database<Uint8Array, Uint8Array> {
    if (!isWriting && this.#state === 'closed') throw new StoreClosedError();
    let table = this.#tables.get(name);
    if (table === undefined) {
      checkNewTable(name, this.#tables.size - this.#tablesBesides);
      try {
        table = this.#root.openDB<Uint8Array, Uint8Array>(name, binary);
      } catch (error) {
        throw new StoreFailedError('open table', { cause: error });
      }
      this.#tables.set(name, table);
    }
    return table;
  }
}

function rangeOptions({ from, until, limit, isReverse = false }: TableRange) {
  const limits = limit === undefined ? {} : { limit };
  if (!isReverse) {
    // An explicit start, even undefined: without one the library skips keys that begin with a byte under 5.
    return { start: from as Uint8Array, ...(until === undefined ? {} : { end: until }), ...limits };
  }
  return {
    reverse: true,
    inclusiveEnd: true,
    ...(until === undefined ? {} : { start: until, exclusiveStart: true }),
    ...(from === undefined ? {} : { end: from }),
    ...limits,
  };
}

interface TableStats {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

function statsOf(table: Database<Uint8Array, Uint8Array>): TableStats {
  try {
    return table.getStats() as TableStats; // the library's types leave it empty
  } catch (error) {
    throw new StoreFailedError('read statistics', { cause: error });
  }
}

/** A copy of its own: the library hands out views of buffers it uses again. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The library puts the reason of a failed commit into a promise that rejects with it. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}
