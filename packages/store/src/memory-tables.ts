import { compareBytes } from './compare-bytes.ts';
import { StoreClosedError, StoreFullError } from './errors.ts';
import type { TableChange, TableEntry, TableRange, TableStore } from './table.ts';
import { checkedChangeBytes, checkNewTable } from './table-limits.ts';

/**
 * Tables in memory: for tests and simulation, durable as long as the object lives. `bytesMax` (default unlimited)
 * bounds keys and values, past it `commit` rejects with {@link StoreFullError}.
 */
export function createMemoryTables(options: { readonly bytesMax?: number } = {}): TableStore {
  return new MemoryTables(options.bytesMax ?? Number.POSITIVE_INFINITY);
}

class MemoryTables implements TableStore {
  readonly #bytesMax: number;
  readonly #tables = new Map<string, SortedEntries>();
  #isClosed = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    return this.#table(table).get(key)?.slice();
  }

  range(table: string, range: TableRange = {}): Iterable<TableEntry> {
    return this.#table(table).range(range);
  }

  count(table: string): number {
    return this.#table(table).size;
  }

  async commit(changes: readonly TableChange[]): Promise<void> {
    if (this.#isClosed) throw new StoreClosedError();
    checkedChangeBytes(changes);
    this.#assertRoom(changes);
    const tables = changes.map((change) => this.#table(change.table));
    for (const [index, change] of changes.entries()) {
      const table = tables[index] as SortedEntries;
      if (change.kind === 'put') table.put(change.key.slice(), change.value.slice());
      else table.remove(change.key);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
  }

  #table(name: string): SortedEntries {
    if (this.#isClosed) throw new StoreClosedError();
    let table = this.#tables.get(name);
    if (table === undefined) {
      checkNewTable(name, this.#tables.size);
      table = new SortedEntries();
      this.#tables.set(name, table);
    }
    return table;
  }

  /** A commit that only removes always has room. */
  #assertRoom(changes: readonly TableChange[]): void {
    if (!changes.some((change) => change.kind === 'put')) return;
    let bytes = 0;
    for (const change of changes) {
      if (change.kind === 'put') bytes += change.key.length + change.value.length;
    }
    for (const table of this.#tables.values()) bytes += table.bytes;
    if (bytes > this.#bytesMax) throw new StoreFullError('bytesMax');
  }
}

/** Entries in key order: binary search to find, one splice to change (most keys are appended). */
class SortedEntries {
  readonly #entries: TableEntry[] = [];
  #bytes = 0;

  get size(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const index = this.#indexOf(key);
    return this.#isAt(index, key) ? this.#entries[index]?.value : undefined;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const index = this.#indexOf(key);
    const replaced = this.#isAt(index, key) ? this.#entries[index] : undefined;
    this.#entries.splice(index, replaced === undefined ? 0 : 1, { key, value });
    this.#bytes += key.length + value.length - (replaced === undefined ? 0 : key.length + replaced.value.length);
  }

  remove(key: Uint8Array): void {
    const index = this.#indexOf(key);
    if (!this.#isAt(index, key)) return;
    const [removed] = this.#entries.splice(index, 1);
    if (removed !== undefined) this.#bytes -= removed.key.length + removed.value.length;
  }

  range({ from, until, limit = Number.POSITIVE_INFINITY, isReverse = false }: TableRange): TableEntry[] {
    const start = from === undefined ? 0 : this.#indexOf(from);
    const end = until === undefined ? this.#entries.length : this.#indexOf(until);
    const count = Math.max(0, Math.min(end - start, limit));
    const chosen = isReverse
      ? this.#entries.slice(end - count, end).reverse()
      : this.#entries.slice(start, start + count);
    return chosen.map(({ key, value }) => ({ key: key.slice(), value: value.slice() }));
  }

  /** Where `key` is, or would be. */
  #indexOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.#entries[middle] as TableEntry).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isAt(index: number, key: Uint8Array): boolean {
    const entry = this.#entries[index];
    return entry !== undefined && compareBytes(entry.key, key) === 0;
  }
}
