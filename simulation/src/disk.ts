import type { Clock, Random } from '@pulsemesh/base';
import type { CopyHolder, RecordStore, SealedRecord, TableChange, TableStore } from '@pulsemesh/store';

/** How long a write takes to be durable, milliseconds, drawn for each. */
export interface DiskOptions {
  readonly commitMsMax: number;
}

interface Write {
  readonly apply: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes on their way to a simulated disk, in order. A crash keeps what was committed, and of what was under way a
 * beginning of random length, of which nobody is told.
 */
class WriteQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #commitMsMax: number;
  #pending: Write[] = [];
  #isBusy = false;
  #isCut = false;

  constructor(options: DiskOptions, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#commitMsMax = options.commitMsMax;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  write(apply: () => Promise<void>): Promise<void> {
    // Whoever writes after the crash is a ghost of the process that was: it never hears.
    if (this.#isCut) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      this.#pending.push({ apply, resolve, reject });
      this.#next();
    });
  }

  async cut(): Promise<void> {
    this.#isCut = true;
    const survivors = this.#pending.slice(0, this.#random.integer(this.#pending.length + 1));
    this.#pending = [];
    for (const { apply } of survivors) await apply().catch(() => {});
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  #next(): void {
    if (this.#isBusy || this.#pending.length === 0) return;
    this.#isBusy = true;
    this.#clock.setTimer(() => void this.#flush(), this.#random.float() * this.#commitMsMax);
  }

  /** Group commit: all that waits becomes durable together. */
  async #flush(): Promise<void> {
    const group = this.#pending;
    this.#pending = [];
    this.#isBusy = false;
    for (const { apply, resolve, reject } of group) await apply().then(resolve, reject);
    this.#next();
  }
}

/** A disk under one process: what it holds outlives `cut`, the way to it does not. */
export interface MountedDisk {
  readonly tables: TableStore;
  readonly records: RecordStore;
  cut(): Promise<void>;
}

/** Mounts what a machine's disk holds for one life of a process. */
export function mountDisk(
  held: { readonly tables: TableStore; readonly records: RecordStore },
  options: DiskOptions,
  dependencies: { readonly clock: Clock; readonly random: Random },
): MountedDisk {
  const tableWrites = new WriteQueue(options, dependencies);
  const recordWrites = new WriteQueue(options, dependencies);
  return {
    tables: mountTables(held.tables, tableWrites),
    records: mountRecords(held.records, recordWrites),
    async cut() {
      await tableWrites.cut();
      await recordWrites.cut();
    },
  };
}

function mountTables(held: TableStore, writes: WriteQueue): TableStore {
  return {
    get: (table, key) => held.get(table, key),
    range: (table, range) => held.range(table, range),
    count: (table) => held.count(table),
    commit: (changes: readonly TableChange[]) => writes.write(() => held.commit(changes)),
    async [Symbol.asyncDispose]() {},
  };
}

function mountRecords(held: RecordStore, writes: WriteQueue): RecordStore {
  const read = <T>(answer: () => Promise<T>): Promise<T> => (writes.isCut ? new Promise<T>(() => {}) : answer());
  return {
    epoch: held.epoch,
    put: (records: readonly SealedRecord[], copy: CopyHolder | null) => writes.write(() => held.put(records, copy)),
    async forgetCopies(lost: CopyHolder) {
      let count = 0;
      await writes.write(async () => {
        count = await held.forgetCopies(lost);
      });
      return count;
    },
    query: (query) => read(() => held.query(query)),
    digests: (asked) => read(() => held.digests(asked)),
    owed: (limit) => read(() => held.owed(limit)),
    copyHolders: () => read(() => held.copyHolders()),
    scan: (after, limit) => read(() => held.scan(after, limit)),
    subjects: () => read(() => held.subjects()),
    counts: () => read(() => held.counts()),
    async [Symbol.asyncDispose]() {},
  };
}
