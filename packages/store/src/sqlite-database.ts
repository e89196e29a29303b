import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StoreFullError, StoreLimitError } from './errors.ts';
import type { BucketDigest, CopyHolder, RecordKind, RecordQuery, ScanCursor, SealedRecord } from './record.ts';
import { packRecords, unpackRecords } from './record-codec.ts';
import { decodeCursor, encodeCursor } from './record-key.ts';
import { recordLimits } from './record-limits.ts';
import { emptyCounts, xorInto } from './record-sums.ts';
import type { AskedBucket, PackedPut, SqliteSettings } from './sqlite-messages.ts';
import { prepareDatabase } from './sqlite-schema.ts';

/** Records looked at in one step of forgetting a holder, so that puts are not held up for long. */
const forgetStepRecords = 20_000;

const columns = 'subject, kind, bucket, id, revision, sealed';
const key = 'subject = ? AND kind = ? AND bucket = ? AND id = ?';
const afterKey = '(subject, kind, bucket, id) > (?, ?, ?, ?)';
const keyOrder = 'ORDER BY subject, kind, bucket, id';

/** The records in one SQLite file: synchronous, for the worker thread. Errors are SQLite's own, or the store's. */
export class SqliteDatabase {
  readonly epoch: string;
  readonly #database: DatabaseSync;
  readonly #settings: SqliteSettings;
  readonly #statements: ReturnType<typeof prepareStatements>;

  /** Opens or makes the file. @throws {StoreSchemaError}, and SQLite's own errors. */
  constructor(settings: SqliteSettings) {
    this.#settings = settings;
    this.#database = new DatabaseSync(settings.file, { timeout: 5000 });
    try {
      this.epoch = prepareDatabase(this.#database, settings.newEpoch);
      if (Number.isFinite(settings.bytesMax)) {
        this.#database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(settings.bytesMax / 4096))}`);
      }
      this.#statements = prepareStatements(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Writes all puts in one transaction. @throws {StoreFullError} */
  put(puts: readonly PackedPut[], packed: ArrayBuffer): void {
    this.#assertReserve();
    this.#transact(() => {
      const added = emptyCounts();
      const records = unpackRecords(packed);
      for (const { count, copy } of puts) {
        const copyNumber = copy === null ? 0 : this.#holderNumber(copy);
        const attributed = new Map<number, number>();
        for (let index = 0; index < count; index += 1) {
          const next = records.next();
          if (next.done) throw new StoreLimitError('packed records');
          this.#putOne(next.value, copyNumber, added, attributed);
        }
        for (const [holder, change] of attributed) {
          if (holder !== 0 && change !== 0) this.#statements.addToHolder.run(change, holder);
        }
      }
      for (const [kind, count] of Object.entries(added)) {
        if (count > 0) this.#statements.addToCount.run(count, Number(kind));
      }
    });
  }

  query({ subject, kind, fromSeconds, untilSeconds, limit, isReverse }: RecordQuery): ArrayBuffer {
    const statement = isReverse ? this.#statements.queryReverse : this.#statements.query;
    const found: SealedRecord[] = [];
    let bytes = 0;
    for (const row of rows(statement, subject, kind, fromSeconds, untilSeconds, limit)) {
      const record = recordOf(row);
      bytes += record.sealed.length;
      if (bytes > recordLimits.resultBytesMax) throw new StoreLimitError('resultBytesMax');
      found.push(record);
    }
    return packRecords([found]);
  }

  digests(asked: readonly AskedBucket[]): BucketDigest[] {
    return asked.map(({ subject, kind, bucketSeconds }) => {
      const idsXor = new Uint8Array(16);
      let count = 0;
      for (const [id] of rows(this.#statements.bucketIds, subject, kind, bucketSeconds)) {
        xorInto(idsXor, id as Uint8Array);
        count += 1;
      }
      return { count, idsXor };
    });
  }

  owed(limit: number): ArrayBuffer {
    return packRecords([this.#page(rows(this.#statements.owed, limit)).records]);
  }

  /** One step of owing what `lost` held; `next` is where the next begins, null after the last. */
  forgetSome(lost: CopyHolder, after: ScanCursor | null): { count: number; next: ScanCursor | null } {
    const holder = this.#statements.holder.get(lost.peer, lost.epoch) as unknown[] | undefined;
    if (holder === undefined) return { count: 0, next: null };
    const number = Number(holder[0]);
    const from = keyValues(after);
    let count = 0;
    let next: ScanCursor | null = null;
    this.#transact(() => {
      const last = this.#statements.keyAhead.get(...from, forgetStepRecords) as unknown[] | undefined;
      const statement = last === undefined ? this.#statements.forgetRest : this.#statements.forgetUntil;
      const until = (last ?? []) as [Uint8Array, number, number, Uint8Array];
      count = Number(statement.run(...from, ...until, number).changes);
      this.#statements.addToHolder.run(-count, number);
      if (last !== undefined) next = encodeCursor(keyOf(until));
    });
    return { count, next };
  }

  copyHolders(): CopyHolder[] {
    return rows(this.#statements.holders)
      .map(([peer, epoch]) => ({ peer: String(peer), epoch: String(epoch) }))
      .toArray();
  }

  scan(after: ScanCursor | null, limit: number): { packed: ArrayBuffer; next: ScanCursor | null } {
    const { records, isCut } = this.#page(rows(this.#statements.scan, ...keyValues(after), limit));
    const last = records.at(-1);
    const isLast = last === undefined || (!isCut && records.length < limit);
    return { packed: packRecords([records]), next: isLast ? null : encodeCursor(last) };
  }

  subjects(): Uint8Array[] {
    return rows(this.#statements.subjects)
      .map(([subject]) => subject as Uint8Array)
      .toArray();
  }

  counts(): Record<RecordKind, number> {
    const counts = emptyCounts();
    for (const [kind, count] of rows(this.#statements.counts)) counts[kind as RecordKind] = Number(count);
    return counts;
  }

  close(): void {
    this.#database.close();
  }

  #putOne(
    record: SealedRecord,
    copy: number,
    added: Record<RecordKind, number>,
    attributed: Map<number, number>,
  ): void {
    const { subject, kind, bucketSeconds, id, revision, sealed } = record;
    const attribute = (holder: number, change: number) =>
      attributed.set(holder, (attributed.get(holder) ?? 0) + change);
    const { insert, present, replace, setCopy } = this.#statements;
    if (insert.run(subject, kind, bucketSeconds, id, revision, copy, sealed).changes === 1) {
      added[kind] += 1;
      attribute(copy, 1);
      return;
    }
    const [presentRevision, presentCopy] = present.get(subject, kind, bucketSeconds, id) as unknown as number[];
    const isNewer = revision > (presentRevision as number);
    if (isNewer) replace.run(revision, copy, sealed, subject, kind, bucketSeconds, id);
    else if (revision === presentRevision) setCopy.run(copy, subject, kind, bucketSeconds, id);
    else return;
    attribute(presentCopy as number, -1);
    attribute(copy, 1);
  }

  #holderNumber({ peer, epoch }: CopyHolder): number {
    this.#statements.addHolder.run(peer, epoch);
    const row = this.#statements.holder.get(peer, epoch) as unknown as number[];
    return row[0] as number;
  }

  #transact(action: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      action();
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite has rolled back by itself after some errors, not after others.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Rows until they run out or weigh too much; at least one. */
  #page(found: Iterable<unknown[]>): { records: SealedRecord[]; isCut: boolean } {
    const records: SealedRecord[] = [];
    let bytes = 0;
    for (const row of found) {
      const record = recordOf(row);
      records.push(record);
      bytes += record.sealed.length;
      if (bytes >= recordLimits.resultBytesMax) return { records, isCut: true };
    }
    return { records, isCut: false };
  }

  #assertReserve(): void {
    const { bavail, bsize } = statfsSync(dirname(this.#settings.file));
    if (bavail * bsize < this.#settings.reserveBytes) throw new StoreFullError('free-space reserve');
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string): StatementSync => {
    const statement = database.prepare(text);
    statement.setReturnArrays(true);
    return statement;
  };
  const inRange = `SELECT ${columns} FROM records WHERE subject = ? AND kind = ? AND bucket >= ? AND bucket < ?`;
  return {
    insert: prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    present: prepare(`SELECT revision, copy FROM records WHERE ${key}`),
    replace: prepare(`UPDATE records SET revision = ?, copy = ?, sealed = ? WHERE ${key}`),
    setCopy: prepare(`UPDATE records SET copy = ? WHERE ${key}`),
    addToCount: prepare('UPDATE counts SET record_count = record_count + ? WHERE kind = ?'),
    counts: prepare('SELECT kind, record_count FROM counts'),
    addHolder: prepare('INSERT INTO holders (peer, epoch, record_count) VALUES (?, ?, 0) ON CONFLICT DO NOTHING'),
    holder: prepare('SELECT number FROM holders WHERE peer = ? AND epoch = ?'),
    addToHolder: prepare('UPDATE holders SET record_count = record_count + ? WHERE number = ?'),
    holders: prepare('SELECT peer, epoch FROM holders WHERE record_count > 0'),
    query: prepare(`${inRange} ORDER BY bucket, id LIMIT ?`),
    queryReverse: prepare(`${inRange} ORDER BY bucket DESC, id DESC LIMIT ?`),
    bucketIds: prepare('SELECT id FROM records WHERE subject = ? AND kind = ? AND bucket = ?'),
    owed: prepare(`SELECT ${columns} FROM records WHERE copy = 0 ${keyOrder} LIMIT ?`),
    keyAhead: prepare(`SELECT subject, kind, bucket, id FROM records WHERE ${afterKey} ${keyOrder} LIMIT 1 OFFSET ?`),
    forgetUntil: prepare(
      `UPDATE records SET copy = 0 WHERE ${afterKey} AND (subject, kind, bucket, id) <= (?, ?, ?, ?) AND copy = ?`,
    ),
    forgetRest: prepare(`UPDATE records SET copy = 0 WHERE ${afterKey} AND copy = ?`),
    scan: prepare(`SELECT ${columns} FROM records WHERE ${afterKey} ${keyOrder} LIMIT ?`),
    // One step of the index for each subject, instead of a walk over all records.
    subjects: prepare(`WITH RECURSIVE found(subject) AS (SELECT min(subject) FROM records UNION ALL
      SELECT (SELECT min(subject) FROM records WHERE subject > found.subject) FROM found WHERE found.subject IS NOT NULL)
      SELECT subject FROM found WHERE subject IS NOT NULL`),
  };
}

type Value = Uint8Array | number | string;

function rows(statement: StatementSync, ...values: Value[]): IteratorObject<unknown[]> {
  return statement.iterate(...values) as unknown as IteratorObject<unknown[]>; // arrays, by setReturnArrays
}

function recordOf([subject, kind, bucketSeconds, id, revision, sealed]: unknown[]): SealedRecord {
  // The columns' types are strict in the schema.
  return { ...keyOf([subject, kind, bucketSeconds, id]), revision: revision as number, sealed: sealed as Uint8Array };
}

function keyOf([subject, kind, bucketSeconds, id]: unknown[]) {
  return {
    subject: subject as Uint8Array,
    kind: kind as RecordKind,
    bucketSeconds: bucketSeconds as number,
    id: id as Uint8Array,
  };
}

/** The four parts of a cursor; an empty subject sorts before every other. */
function keyValues(after: ScanCursor | null): [Uint8Array, number, number, Uint8Array] {
  if (after === null) return [new Uint8Array(0), 0, 0, new Uint8Array(0)];
  const { subject, kind, bucketSeconds, id } = decodeCursor(after);
  return [subject, kind, bucketSeconds, id];
}
