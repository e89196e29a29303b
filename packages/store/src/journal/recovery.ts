import { StoreFailedError } from '../errors.ts';
import type { TableChange, TableStore } from '../table.ts';
import { decodeSegment, type Segment } from './record.ts';
import { fileOf, type SegmentFiles } from './segment-files.ts';

/** The journal's own table: which segments are in the tables. A caller must not use it. */
const table = 'journal.done';
const key = Uint8Array.of(1);
/** Changes given to the tables at one time: more would hold up the event loop. */
const sliceChanges = 1_000;

/** What is in the journal and not in the tables. */
export interface Pending {
  readonly changes: readonly TableChange[];
  /** How many segments that is: 0, 1 or 2. */
  readonly segments: number;
  /** Records of the last one. */
  readonly lastRecords: number;
  /** The greatest segment there was. */
  readonly lastSegment: number;
}

/** @throws {StoreFailedError} where a part of what was acknowledged is missing. */
export async function readPending(files: SegmentFiles, tables: TableStore): Promise<Pending> {
  const found = tables.get(table, key);
  const done = found === undefined ? 0 : new DataView(found.buffer, found.byteOffset).getFloat64(0);
  // Each segment up to `done` was begun: its file was written, and is never empty again.
  for (let segment = done; segment > Math.max(0, done - 2); segment -= 1) {
    if (files.isEmpty(fileOf(segment))) throw new StoreFailedError('tables without their journal');
  }
  const segments = [decodeSegment(await files.read(0), done), decodeSegment(await files.read(1), done)]
    .filter((segment): segment is Segment => segment !== null && segment.segment > done)
    .sort((one, other) => one.segment - other.segment);
  const [first, second] = segments;
  // The second is begun once the first is whole, and a file is written anew once what it held is in the tables.
  const isFirstThere = first === undefined || first.segment === done + 1;
  const isWhole =
    second === undefined || (second.segment === done + 2 && second.recordsBefore === first?.records.length);
  if (!isFirstThere || !isWhole) throw new StoreFailedError('journal with a gap');
  return {
    changes: segments.flatMap(({ records }) => records.flat()),
    segments: segments.length,
    lastRecords: segments.at(-1)?.records.length ?? 0,
    lastSegment: done + segments.length,
  };
}

/**
 * Puts the changes of segments up to `lastSegment` into the tables, and then that they are there. A part of them may be: done again, they
 * say the same.
 */
export async function writeChanges(
  tables: TableStore,
  changes: Iterable<TableChange>,
  lastSegment: number,
): Promise<void> {
  let slice: TableChange[] = [];
  for (const change of changes) {
    slice.push(change);
    if (slice.length < sliceChanges) continue;
    await tables.commit(slice);
    slice = [];
  }
  const value = new Uint8Array(8);
  new DataView(value.buffer).setFloat64(0, lastSegment);
  await tables.commit([...slice, { kind: 'put', table, key, value }]);
}
