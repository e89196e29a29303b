import { crc32 } from 'node:zlib';
import { StoreFailedError } from '../errors.ts';
import type { TableChange } from '../table.ts';

// A journal is two files, written in turn. A segment is what is written into a file in one turn: records, one after the other from its start.
//
//   record   magic 4 · length of the payload 4 · number in the segment 4 · records of the segment before 4 · segment 8 · mark 16 · crc 4 · payload
//   payload  changes: kind 1 · length of the table's name 1 · name · length of the key 2 · key · (put: length of the value 4 · value)
//
// Numbers are big-endian. The mark is drawn for each segment: what an earlier turn left behind a segment's end has another one, and nobody can
// know it who makes up the values stored. The crc is of all before it and the payload.

const magic = 0x504d4a31; // "PMJ1"
const headBytes = 44;
const markAt = 24;
export const markBytes = 16;

/** What a record says besides its changes. */
export interface RecordPlace {
  /** From 1; each is one more than the one before. */
  readonly segment: number;
  readonly mark: Uint8Array;
  /** From 0. */
  readonly number: number;
  /** How many records the segment before has; 0 for the first of a process. */
  readonly recordsBefore: number;
}

function recordBytesOf(changes: readonly TableChange[]): number {
  let bytes = headBytes;
  for (const change of changes) {
    bytes += 4 + change.table.length + change.key.length;
    if (change.kind === 'put') bytes += 4 + change.value.length;
  }
  return bytes;
}

/** The record, and the same changes with keys and values that lie in it: the caller's may change later. */
export function encodeRecord(
  changes: readonly TableChange[],
  place: RecordPlace,
): { readonly record: Buffer; readonly changes: readonly TableChange[] } {
  const record = Buffer.allocUnsafeSlow(recordBytesOf(changes));
  const own: TableChange[] = [];
  let at = headBytes;
  for (const { kind, table, key, ...rest } of changes) {
    record[at] = kind === 'put' ? 1 : 0;
    record[at + 1] = table.length;
    at += 2 + record.write(table, at + 2, 'latin1');
    record.writeUInt16BE(key.length, at);
    const ownKey = record.subarray(at + 2, at + 2 + key.length);
    ownKey.set(key);
    at += 2 + key.length;
    if (!('value' in rest)) {
      own.push({ kind: 'remove', table, key: ownKey });
      continue;
    }
    record.writeUInt32BE(rest.value.length, at);
    const value = record.subarray(at + 4, at + 4 + rest.value.length);
    value.set(rest.value);
    at += 4 + value.length;
    own.push({ kind: 'put', table, key: ownKey, value });
  }
  record.writeUInt32BE(magic, 0);
  record.writeUInt32BE(record.length - headBytes, 4);
  record.writeUInt32BE(place.number, 8);
  record.writeUInt32BE(place.recordsBefore, 12);
  record.writeDoubleBE(place.segment, 16);
  record.set(place.mark, markAt);
  record.writeUInt32BE(crcOf(record, record.length), 40);
  return { record, changes: own };
}

function crcOf(record: Uint8Array, end: number): number {
  return crc32(record.subarray(headBytes, end), crc32(record.subarray(0, headBytes - 4)));
}

/** A segment as a file holds it. */
export interface Segment {
  readonly segment: number;
  readonly recordsBefore: number;
  readonly records: readonly (readonly TableChange[])[];
}

/**
 * The segment a file holds, up to the first record that is not whole; null: none. Segments up to `done` are of no account any more.
 * @throws {StoreFailedError} for a whole record that says nonsense, and where others come after one that is not whole: each is written once the
 * one before it is on the disk, so that was acknowledged.
 */
export function decodeSegment(file: Buffer, done: number): Segment | null {
  const records: (readonly TableChange[])[] = [];
  let first: RecordPlace | null = null;
  let at = 0;
  for (;;) {
    const found = recordAt(file, at);
    if (found === null || found.place.number !== records.length) break;
    if (first !== null && Buffer.compare(found.place.mark, first.mark) !== 0) break;
    first ??= found.place;
    records.push(decodeChanges(file.subarray(at + headBytes, found.end)));
    at = found.end;
  }
  // Where the first one is not whole, its mark may still stand in its head.
  const mark = first?.mark ?? file.subarray(markAt, markAt + markBytes);
  if (isLaterRecord(file, { from: at + headBytes, mark, done }))
    throw new StoreFailedError('journal with a damaged record');
  return first === null ? null : { segment: first.segment, recordsBefore: first.recordsBefore, records };
}

/** Whether a whole record with this mark, of a segment after `done`, lies at `from` or behind it. Nobody else can know the mark. */
function isLaterRecord(
  file: Buffer,
  { from, mark, done }: { readonly from: number; readonly mark: Uint8Array; readonly done: number },
): boolean {
  if (mark.length < markBytes || mark.every((byte) => byte === 0)) return false; // a file never written, or not that far
  for (let at = file.indexOf(mark, from + markAt); at >= 0; at = file.indexOf(mark, at + 1)) {
    const found = recordAt(file, at - markAt);
    if (found !== null && found.place.segment > done) return true;
  }
  return false;
}

function recordAt(file: Buffer, at: number): { readonly place: RecordPlace; readonly end: number } | null {
  if (file.length - at < headBytes || file.readUInt32BE(at) !== magic) return null;
  const end = at + headBytes + file.readUInt32BE(at + 4);
  if (end > file.length || crcOf(file.subarray(at), end - at) !== file.readUInt32BE(at + 40)) return null;
  const place = {
    number: file.readUInt32BE(at + 8),
    recordsBefore: file.readUInt32BE(at + 12),
    segment: file.readDoubleBE(at + 16),
    mark: file.subarray(at + markAt, at + markAt + markBytes),
  };
  return { place, end };
}

function decodeChanges(payload: Buffer): readonly TableChange[] {
  const changes: TableChange[] = [];
  let at = 0;
  const take = (bytes: number): Buffer => {
    // The crc was right: whoever wrote it wrote this.
    if (at + bytes > payload.length) throw new StoreFailedError('read journal');
    at += bytes;
    return payload.subarray(at - bytes, at);
  };
  while (at < payload.length) {
    const kind = take(1)[0];
    const table = take(take(1)[0] ?? 0).toString('latin1');
    const key = take(take(2).readUInt16BE());
    if (kind === 1) changes.push({ kind: 'put', table, key, value: take(take(4).readUInt32BE()) });
    else changes.push({ kind: 'remove', table, key });
  }
  return changes;
}
