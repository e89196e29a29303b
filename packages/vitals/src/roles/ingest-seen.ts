import type { TableChange, TableStore } from '@pulsemesh/store';

/** Which of a wearer's readings have been taken: counters and times are numbers of their own. */
export type SeenKind = 'seq' | 'time';

const seenTable = 'ingest.seen';
const blockSize = 65_536;
const headBytes = 5;
const bitmapBytes = blockSize / 8;
/** Above it the runs would take more room than a bitmap. */
const runsMax = bitmapBytes / 4;
const kindByte: Readonly<Record<SeenKind, number>> = { seq: 0x73, time: 0x74 };

/** 65,536 consecutive numbers, those seen as sorted runs [first, last, first, last, …] or as a bitmap. */
interface Block {
  readonly key: Uint8Array;
  runs: number[];
  bitmap: Uint8Array | undefined;
  isChanged: boolean;
}

/**
 * The numbers of readings that were taken, so that a repetition is known. A row holds 65,536 consecutive numbers of one
 * wearer, as runs: a device that counts costs four bytes a day, one that stamps each second 260 bytes a minute. At worst, a
 * bitmap of 8 KiB. Its key is hash(userId) ‖ kind ‖ block, 16 bytes.
 *
 * One batch is worked on at a time: ask {@link SeenBatch}, commit its changes with the effect, then begin the next.
 */
export class SeenReadings {
  readonly #tables: TableStore;
  #pruneFrom: Uint8Array | undefined;

  constructor(tables: TableStore) {
    this.#tables = tables;
  }

  begin(nowSeconds: number): SeenBatch {
    return new SeenBatch(this.#tables, nowSeconds);
  }

  /**
   * Looks at the next `rowsMax` rows and names those to remove: not touched for `horizonSeconds`. Call it again and
   * again; it goes round.
   */
  prune(nowSeconds: number, horizonSeconds: number, rowsMax: number): readonly TableChange[] {
    const removed: TableChange[] = [];
    let last: Uint8Array | undefined;
    let count = 0;
    const range = { limit: rowsMax, ...(this.#pruneFrom === undefined ? {} : { from: this.#pruneFrom }) };
    for (const { key, value } of this.#tables.range(seenTable, range)) {
      last = Uint8Array.from(key);
      count += 1;
      if (readUint32(value, 0) + horizonSeconds < nowSeconds)
        removed.push({ kind: 'remove', table: seenTable, key: last });
    }
    // A key followed by a zero byte is the next one there can be.
    this.#pruneFrom = count < rowsMax || last === undefined ? undefined : Uint8Array.of(...last, 0);
    return removed;
  }

  get rowCount(): number {
    return this.#tables.count(seenTable);
  }
}

/** What one transaction adds to the numbers seen. */
export class SeenBatch {
  readonly #tables: TableStore;
  readonly #nowSeconds: number;
  readonly #blocks = new Map<string, Block>();

  constructor(tables: TableStore, nowSeconds: number) {
    this.#tables = tables;
    this.#nowSeconds = nowSeconds;
  }

  /** True when `number` of the wearer was not seen before, in the table or in this batch; it then is. */
  add(wearerHash: Uint8Array, wearer: string, kind: SeenKind, number: number): boolean {
    const blockNumber = Math.floor(number / blockSize);
    const name = `${kind}${blockNumber} ${wearer}`;
    let block = this.#blocks.get(name);
    if (block === undefined) {
      block = this.#load(keyOf(wearerHash, kind, blockNumber));
      this.#blocks.set(name, block);
    }
    const isNew = addToBlock(block, number % blockSize);
    block.isChanged ||= isNew;
    return isNew;
  }

  changes(): TableChange[] {
    const changes: TableChange[] = [];
    for (const block of this.#blocks.values()) {
      if (!block.isChanged) continue;
      changes.push({ kind: 'put', table: seenTable, key: block.key, value: encodeBlock(block, this.#nowSeconds) });
    }
    return changes;
  }

  #load(key: Uint8Array): Block {
    const value = this.#tables.get(seenTable, key);
    if (value === undefined) return { key, runs: [], bitmap: undefined, isChanged: false };
    if (value[4] === 1) return { key, runs: [], bitmap: value.slice(headBytes), isChanged: false };
    const runs: number[] = [];
    for (let at = headBytes; at < value.length; at += 2) {
      runs.push(((value[at] as number) << 8) | (value[at + 1] as number));
    }
    return { key, runs, bitmap: undefined, isChanged: false };
  }
}

function keyOf(wearerHash: Uint8Array, kind: SeenKind, blockNumber: number): Uint8Array {
  const key = new Uint8Array(16);
  key.set(wearerHash.subarray(0, 8));
  key[8] = kindByte[kind];
  // Numbers are below 2^53, so block numbers are below 2^37.
  key[11] = Math.floor(blockNumber / 2 ** 32);
  writeUint32(key, 12, blockNumber);
  return key;
}

function addToBlock(block: Block, offset: number): boolean {
  if (block.bitmap !== undefined) return addToBitmap(block.bitmap, offset);
  const { runs } = block;
  const after = firstRunAfter(runs, offset);
  const before = after - 2;
  if (before >= 0 && (runs[before + 1] as number) >= offset) return false;
  const joinsBefore = before >= 0 && (runs[before + 1] as number) === offset - 1;
  const joinsAfter = after < runs.length && runs[after] === offset + 1;
  if (joinsBefore && joinsAfter) runs.splice(before + 1, 2);
  else if (joinsBefore) runs[before + 1] = offset;
  else if (joinsAfter) runs[after] = offset;
  else runs.splice(after, 0, offset, offset);
  if (runs.length / 2 > runsMax) turnIntoBitmap(block);
  return true;
}

/** Index of the first run that starts past `offset`: where one would be put in. */
function firstRunAfter(runs: readonly number[], offset: number): number {
  let low = 0;
  let high = runs.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((runs[middle * 2] as number) <= offset) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}

function addToBitmap(bitmap: Uint8Array, offset: number): boolean {
  const mask = 1 << (offset & 7);
  const byte = bitmap[offset >> 3] as number;
  if ((byte & mask) !== 0) return false;
  bitmap[offset >> 3] = byte | mask;
  return true;
}

function turnIntoBitmap(block: Block): void {
  const bitmap = new Uint8Array(bitmapBytes);
  for (let run = 0; run < block.runs.length; run += 2) {
    const last = block.runs[run + 1] as number;
    for (let offset = block.runs[run] as number; offset <= last; offset += 1) addToBitmap(bitmap, offset);
  }
  block.bitmap = bitmap;
  block.runs = [];
}

function encodeBlock(block: Block, nowSeconds: number): Uint8Array {
  const { runs, bitmap } = block;
  const value = new Uint8Array(headBytes + (bitmap?.length ?? runs.length * 2));
  writeUint32(value, 0, nowSeconds);
  if (bitmap !== undefined) {
    value[4] = 1;
    value.set(bitmap, headBytes);
    return value;
  }
  for (let index = 0; index < runs.length; index += 1) {
    const number = runs[index] as number;
    value[headBytes + index * 2] = number >> 8;
    value[headBytes + index * 2 + 1] = number & 0xff;
  }
  return value;
}

// By hand: a DataView for each row costs more than all else in here.
function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at);
}
