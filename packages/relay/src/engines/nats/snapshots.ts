import type { OperationLog } from './operation-log.ts';
import {
  decodeSnapshot,
  encodeSnapshotEnd,
  encodeSnapshotPart,
  type SnapshotEnd,
  type SnapshotPart,
} from './operations.ts';
import type { Replica, Row } from './replica.ts';

/** What a relay starts from. */
export interface Snapshot {
  /** Entries of the log up to here are in it. */
  readonly mark: number;
  readonly rows: readonly Row[];
  readonly numbers: readonly (readonly [string, number])[];
}

const rowCostBytes = 64;

/** Writes the state at `mark`, taken now. Of use once the last part is there. */
export async function writeSnapshot(log: OperationLog, replica: Replica, mark: number, relay: string): Promise<void> {
  const rows = replica.rows();
  const { numbers } = replica;
  const bytesMax = log.messageBytesMax / 2;
  const id = (part: number | string) => `${relay}-snapshot-${mark}-${part}`;
  let index = 0;
  let part: Row[] = [];
  let bytes = 0;
  const flush = async () => {
    await log.append(encodeSnapshotPart({ mark, index, rows: part }), id(index), 'snapshot');
    index += 1;
    part = [];
    bytes = 0;
  };
  for (const row of rows) {
    const rowBytes = row[1].length + row[2].length + rowCostBytes;
    if (bytes + rowBytes > bytesMax && part.length > 0) await flush();
    part.push(row);
    bytes += rowBytes;
  }
  await flush();
  await log.append(encodeSnapshotEnd({ mark, partCount: index, numbers }), id('end'), 'snapshot');
}

/** The newest snapshot that is whole; null: none. `last`: the sequence that the log ends with. */
export async function readSnapshot(log: OperationLog, first: number, last: number): Promise<Snapshot | null> {
  const parts = new Map<string, SnapshotPart>();
  let newest: SnapshotEnd | null = null;
  for await (const message of snapshotMessages(log, first, last)) {
    const found = decodeSnapshot(message);
    if (!('partCount' in found)) parts.set(`${found.mark}/${found.index}`, found);
    else if (newest === null || found.mark > newest.mark) newest = isWhole(found, parts) ? found : newest;
  }
  if (newest === null) return null;
  const { mark, partCount, numbers } = newest;
  const rows = Array.from({ length: partCount }, (_, index) => parts.get(`${mark}/${index}`)?.rows ?? []);
  return { mark, rows: rows.flat(), numbers };
}

function isWhole({ mark, partCount }: SnapshotEnd, parts: ReadonlyMap<string, SnapshotPart>): boolean {
  return Array.from({ length: partCount }, (_, index) => parts.has(`${mark}/${index}`)).every(Boolean);
}

/** Up to `last`. Everything is read, not the snapshots alone, since only so it is known when the last one was seen. */
async function* snapshotMessages(log: OperationLog, first: number, last: number): AsyncGenerator<Uint8Array> {
  if (last < first || last === 0) return;
  for await (const { sequence, isSnapshot, data } of log.follow(first)) {
    if (isSnapshot && sequence <= last) yield data;
    if (sequence >= last) return;
  }
}
