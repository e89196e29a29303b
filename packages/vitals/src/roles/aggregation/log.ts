import type { Logger } from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, fromHex } from '@pulsemesh/wire';
import { windowStartSeconds } from '../../readings/reading.ts';
import type { OpenWindows, SubjectReadings } from '../../windows/open-windows.ts';
import { type Batch, parseBatch } from './wire.ts';

export const aggregationTables = {
  /** Entry number → sealed batch, until every window it touches is done. */
  log: 'aggregation-log',
  /** Subject and window start → the newest entry that the window was computed with. */
  done: 'aggregation-done',
  /** Subject → the newest alert fold made here. */
  folds: 'aggregation-folds',
  /** Alert events that notification has not answered for. */
  outbox: 'aggregation-outbox',
} as const;

interface Mark {
  readonly key: Uint8Array;
  readonly upToEntry: number;
  /** Entries still in the log because of other windows, which a restart would read for this one too. */
  readonly entries: Set<number>;
}

/**
 * The batches this peer took, sealed on its disk until nobody can need them again. An entry goes when all windows
 * it touches are done. A window that is done before its entries go leaves a mark, so that a restart does not
 * compute it again.
 */
export class AggregationLog {
  readonly #tables: TableStore;
  readonly #box: Box;
  /** Entries in the log and how many open windows need each. */
  readonly #needed = new Map<number, number>();
  readonly #marks = new Map<string, Mark>();
  readonly #marksByEntry = new Map<number, string[]>();
  #lastEntry = 0;

  constructor(dependencies: { readonly tables: TableStore; readonly box: Box }) {
    this.#tables = dependencies.tables;
    this.#box = dependencies.box;
  }

  /** Entries kept. */
  get length(): number {
    return this.#needed.size;
  }

  /** Keeps a batch's body; resolves to its entry once it is durable. */
  async append(body: unknown): Promise<number> {
    this.#lastEntry += 1;
    const entry = this.#lastEntry;
    const key = entryKey(entry);
    this.#needed.set(entry, 0);
    const value = this.#box.seal(encodeCbor(body), key);
    try {
      await this.#tables.commit([{ kind: 'put', table: aggregationTables.log, key, value }]);
    } catch (error) {
      this.#needed.delete(entry);
      throw error;
    }
    return entry;
  }

  /** Says how many windows need the entry; none: it goes with the next commit. */
  hold(entry: number, windowCount: number): readonly TableChange[] {
    this.#needed.set(entry, windowCount);
    return windowCount === 0 ? this.#drop(entry) : [];
  }

  /** What to write when a window is done: `released` entries are not needed for it any longer. */
  finish(subjectId: SubjectId, startSeconds: number, released: readonly number[]): readonly TableChange[] {
    const changes: TableChange[] = [];
    const kept: number[] = [];
    for (const entry of released) {
      const needed = (this.#needed.get(entry) ?? 1) - 1;
      if (needed > 0) {
        this.#needed.set(entry, needed);
        kept.push(entry);
      } else changes.push(...this.#drop(entry));
    }
    if (kept.length > 0) changes.push(this.#mark(subjectId, startSeconds, Math.max(...released), kept));
    return changes;
  }

  /**
   * Reads the log back after a start: the windows that were open are open again.
   * A batch that does not open (another key, a damaged disk) is left where it is, and said.
   */
  restore(windows: OpenWindows, nowMs: number, logger: Logger): { readonly changes: readonly TableChange[] } {
    const upTo = this.#readMarks();
    const changes: TableChange[] = [];
    for (const { key, value } of this.#tables.range(aggregationTables.log)) {
      const entry = entryOf(key);
      this.#lastEntry = Math.max(this.#lastEntry, entry);
      const batch = this.#open(key, value, logger);
      if (batch === undefined) {
        // Kept: it may open again with the right key, and storage has its readings in the meantime.
        this.#needed.set(entry, 1);
        continue;
      }
      let touched = 0;
      for (const part of batch.subjects) touched += windows.add(this.#undone(part, entry, upTo), entry, nowMs).length;
      this.#needed.set(entry, touched);
      if (touched === 0) changes.push(...this.#drop(entry));
    }
    for (const [name, mark] of this.#marks) if (mark.entries.size === 0) changes.push(this.#removeMark(name, mark));
    return { changes };
  }

  #open(key: Uint8Array, value: Uint8Array, logger: Logger): Batch | undefined {
    try {
      return parseBatch(decodeCbor(this.#box.open(value, key)));
    } catch {
      logger.error('a batch of the aggregation log does not open', { entry: entryOf(key) });
      return undefined;
    }
  }

  #readMarks(): ReadonlyMap<string, number> {
    const upTo = new Map<string, number>();
    for (const { key, value } of this.#tables.range(aggregationTables.done)) {
      const name = Buffer.from(key).toString('hex');
      const upToEntry = entryOf(value);
      upTo.set(name, upToEntry);
      this.#marks.set(name, { key, upToEntry, entries: new Set() });
    }
    return upTo;
  }

  /** The part of `part` that lies in windows not done with this entry. */
  #undone(part: SubjectReadings, entry: number, upTo: ReadonlyMap<string, number>): SubjectReadings {
    const readings = part.readings.filter((reading) => {
      const name = Buffer.from(markKey(part.subjectId, windowStartSeconds(reading.tMs))).toString('hex');
      if ((upTo.get(name) ?? 0) < entry) return true;
      this.#attach(name, entry);
      return false;
    });
    return { ...part, readings };
  }

  #mark(subjectId: SubjectId, startSeconds: number, upToEntry: number, kept: readonly number[]): TableChange {
    const key = markKey(subjectId, startSeconds);
    const name = Buffer.from(key).toString('hex');
    this.#marks.set(name, { key, upToEntry, entries: this.#marks.get(name)?.entries ?? new Set() });
    for (const entry of kept) this.#attach(name, entry);
    return { kind: 'put', table: aggregationTables.done, key, value: entryKey(upToEntry) };
  }

  #attach(name: string, entry: number): void {
    const mark = this.#marks.get(name);
    if (mark === undefined || mark.entries.has(entry)) return;
    mark.entries.add(entry);
    const names = this.#marksByEntry.get(entry);
    if (names === undefined) this.#marksByEntry.set(entry, [name]);
    else names.push(name);
  }

  #drop(entry: number): readonly TableChange[] {
    this.#needed.delete(entry);
    const changes: TableChange[] = [{ kind: 'remove', table: aggregationTables.log, key: entryKey(entry) }];
    for (const name of this.#marksByEntry.get(entry) ?? []) {
      const mark = this.#marks.get(name);
      mark?.entries.delete(entry);
      if (mark?.entries.size === 0) changes.push(this.#removeMark(name, mark));
    }
    this.#marksByEntry.delete(entry);
    return changes;
  }

  #removeMark(name: string, mark: Mark): TableChange {
    this.#marks.delete(name);
    return { kind: 'remove', table: aggregationTables.done, key: mark.key };
  }
}

function entryKey(entry: number): Uint8Array {
  const key = new Uint8Array(8);
  const view = new DataView(key.buffer);
  view.setUint32(0, Math.floor(entry / 2 ** 32));
  view.setUint32(4, entry >>> 0);
  return key;
}

function entryOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}

function markKey(subjectId: SubjectId, startSeconds: number): Uint8Array {
  const key = new Uint8Array(24);
  key.set(fromHex(subjectId));
  key.set(entryKey(startSeconds), 16);
  return key;
}
