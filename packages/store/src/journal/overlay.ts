import { compareBytes } from '../compare-bytes.ts';
import type { TableChange, TableRange } from '../table.ts';

/** What a key is now; `value` null: removed. */
export interface OverlayEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

interface ChangedEntry extends OverlayEntry {
  value: Uint8Array | null;
}

/** Keys that begin alike lie together, so that a range within them looks at nothing else. */
const prefixBytes = 8;

/** The last change of each key of one table. */
class TableOverlay {
  readonly #entries = new Map<string, ChangedEntry>();
  readonly #buckets = new Map<string, Bucket>();

  get(key: Uint8Array): OverlayEntry | undefined {
    return this.#entries.get(nameOf(key));
  }

  get entries(): Iterable<OverlayEntry> {
    return this.#entries.values();
  }

  /** By how many bytes there is more now. */
  set(key: Uint8Array, value: Uint8Array | null): number {
    const name = nameOf(key);
    const known = this.#entries.get(name);
    if (known !== undefined) {
      const before = known.value?.length ?? 0;
      known.value = value;
      return (value?.length ?? 0) - before;
    }
    const entry = { key, value };
    this.#entries.set(name, entry);
    const prefix = name.slice(0, prefixBytes);
    let bucket = this.#buckets.get(prefix);
    if (bucket === undefined) {
      bucket = new Bucket();
      this.#buckets.set(prefix, bucket);
    }
    bucket.add(entry);
    return key.length + (value?.length ?? 0);
  }

  /** In key order, removed ones too. */
  range({ from, until }: Pick<TableRange, 'from' | 'until'>): readonly OverlayEntry[] {
    const prefix = prefixOf(from);
    if (prefix !== null && prefix === prefixOf(until)) return this.#buckets.get(prefix)?.range(from, until) ?? [];
    const found = [...this.#buckets.values()].flatMap((bucket) => bucket.range(from, until));
    return found.sort((one, other) => compareBytes(one.key, other.key));
  }
}

class Bucket {
  readonly #entries: OverlayEntry[] = [];
  #isSorted = true;

  add(entry: OverlayEntry): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && compareBytes(last.key, entry.key) > 0) this.#isSorted = false;
    this.#entries.push(entry);
  }

  range(from: Uint8Array | undefined, until: Uint8Array | undefined): readonly OverlayEntry[] {
    if (!this.#isSorted) {
      this.#entries.sort((one, other) => compareBytes(one.key, other.key));
      this.#isSorted = true;
    }
    const start = from === undefined ? 0 : this.#indexOf(from);
    const end = until === undefined ? this.#entries.length : this.#indexOf(until);
    return this.#entries.slice(start, end);
  }

  /** Of the first entry that is not before `key`. */
  #indexOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.#entries[middle] as OverlayEntry).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What changed since a store was last written to, by table: the last change of each key. */
export class Overlay {
  readonly #tables = new Map<string, TableOverlay>();
  #bytes = 0;

  /** Of keys, and of values as they are now. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  apply(changes: readonly TableChange[]): void {
    for (const change of changes) {
      let table = this.#tables.get(change.table);
      if (table === undefined) {
        table = new TableOverlay();
        this.#tables.set(change.table, table);
      }
      this.#bytes += table.set(change.key, change.kind === 'put' ? change.value : null);
    }
  }

  /** Undefined: this key did not change. */
  get(table: string, key: Uint8Array): OverlayEntry | undefined {
    return this.#tables.get(table)?.get(key);
  }

  range(table: string, range: TableRange): readonly OverlayEntry[] {
    return this.#tables.get(table)?.range(range) ?? [];
  }

  *changes(): Iterable<TableChange> {
    for (const [table, overlay] of this.#tables) {
      for (const { key, value } of overlay.entries) {
        yield value === null ? { kind: 'remove', table, key } : { kind: 'put', table, key, value };
      }
    }
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function prefixOf(key: Uint8Array | undefined): string | null {
  return key === undefined || key.length < prefixBytes ? null : nameOf(key.subarray(0, prefixBytes));
}
