import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { codecLimits, decodeReadings, encodeReadings } from '../readings/codec.ts';
import { parseUserId } from '../readings/message.ts';
import type { Reading, UserId } from '../readings/reading.ts';

const logTable = 'ingest.log';
const parkedTable = 'ingest.parked';

/** Readings of one wearer in a batch. */
export interface BatchPart {
  readonly userId: UserId;
  readonly readings: readonly Reading[];
}

/** What was committed together and goes on together. */
export interface IngestBatch {
  /** Its number in the log: 1, 2, 3, … */
  readonly number: number;
  readonly parts: readonly BatchPart[];
}

/**
 * Batches that were acknowledged to devices and not yet handed on, in the order of their commit, each sealed in one
 * value. Changes are returned, not made: they belong into one transaction with others.
 */
export class HandOffLog {
  readonly #tables: TableStore;
  readonly #box: Box;
  #lastNumber = 0;
  readonly #bytesOf = new Map<number, number>();
  #bytes = 0;

  /** Reads the sizes of what lies in the tables. */
  constructor(tables: TableStore, box: Box) {
    this.#tables = tables;
    this.#box = box;
    for (const { key, value } of tables.range(logTable)) this.#count(numberOf(key), value.length);
    for (const { key } of tables.range(parkedTable, { isReverse: true, limit: 1 })) {
      this.#lastNumber = Math.max(this.#lastNumber, numberOf(key));
    }
  }

  /** Bytes of all batches that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#bytesOf.size;
  }

  get parkedCount(): number {
    return this.#tables.count(parkedTable);
  }

  /** The next batch and the change that appends it; count it with {@link appended} once it is committed. */
  append(readings: readonly Reading[]): { readonly batch: IngestBatch; readonly change: TableChange } {
    // The number is gone at once, whatever becomes of the transaction: no other append gets it.
    this.#lastNumber += 1;
    const batch = { number: this.#lastNumber, parts: groupByWearer(readings) };
    return { batch, change: this.#put(logTable, batch) };
  }

  appended(batch: IngestBatch, change: TableChange): void {
    this.#count(batch.number, change.kind === 'put' ? change.value.length : 0);
  }

  /** Numbers of the waiting batches after `number`, in order. */
  numbersAfter(number: number): readonly number[] {
    return [...this.#bytesOf.keys()].filter((known) => known > number).sort((one, other) => one - other);
  }

  /** @throws {SealBrokenError}, {ReadingCodecError} when the disk changed it. */
  read(number: number): IngestBatch {
    const key = keyOf(number);
    const value = this.#tables.get(logTable, key);
    return { number, parts: value === undefined ? [] : this.#open(logTable, key, value) };
  }

  /** Takes batches out in one transaction; `parked` (part of their readings, default none) is kept aside. */
  async remove(numbers: readonly number[], parked: readonly BatchPart[] = []): Promise<void> {
    const changes: TableChange[] = numbers.map((number) => ({ kind: 'remove', table: logTable, key: keyOf(number) }));
    const [first] = numbers;
    if (parked.length > 0 && first !== undefined)
      changes.push(this.#put(parkedTable, { number: first, parts: parked }));
    await this.#tables.commit(changes);
    for (const number of numbers) {
      this.#bytes -= this.#bytesOf.get(number) ?? 0;
      this.#bytesOf.delete(number);
    }
  }

  /** Puts up to `limit` parked batches back at the end of the log; resolves to how many. */
  async unpark(limit: number): Promise<number> {
    let count = 0;
    for (const { key, value } of [...this.#tables.range(parkedTable, { limit })]) {
      const parkedKey = Uint8Array.from(key);
      const parts = this.#open(parkedTable, parkedKey, value);
      const { batch, change } = this.append(parts.flatMap((part) => part.readings));
      await this.#tables.commit([change, { kind: 'remove', table: parkedTable, key: parkedKey }]);
      this.appended(batch, change);
      count += 1;
    }
    return count;
  }

  #put(table: string, batch: IngestBatch): TableChange {
    const key = keyOf(batch.number);
    const rows = batch.parts.map((part) => [part.userId, encodeReadings(part.readings)]);
    return { kind: 'put', table, key, value: this.#box.seal(encodeCbor(rows), nameOf(table, key)) };
  }

  #open(table: string, key: Uint8Array, value: Uint8Array): readonly BatchPart[] {
    const rows = decodeCbor(this.#box.open(value, nameOf(table, key)), {
      bytesMax: codecLimits.batchBytesMax,
      depthMax: 2,
    });
    return (rows as readonly [unknown, Uint8Array][]).map(([wearer, encoded]) => {
      const userId = parseUserId(wearer); // the seal vouches for the shape; the parsers for the values
      return { userId, readings: decodeReadings(encoded, userId) };
    });
  }

  #count(number: number, bytes: number): void {
    this.#bytesOf.set(number, bytes);
    this.#bytes += bytes;
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }
}

function groupByWearer(readings: readonly Reading[]): readonly BatchPart[] {
  const parts = new Map<UserId, Reading[]>();
  for (const reading of readings) {
    const known = parts.get(reading.userId);
    if (known === undefined) parts.set(reading.userId, [reading]);
    else known.push(reading);
  }
  return [...parts].map(([userId, own]) => ({ userId, readings: own }));
}

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(8);
  const view = new DataView(key.buffer);
  view.setUint32(0, Math.floor(number / 2 ** 32));
  view.setUint32(4, number >>> 0);
  return key;
}

function numberOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}

function nameOf(table: string, key: Uint8Array): Uint8Array {
  return concatBytes(new TextEncoder().encode(`${table}\n`), key);
}
