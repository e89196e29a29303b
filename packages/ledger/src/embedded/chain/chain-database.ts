import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { errorMessage } from '@pulsemesh/base';
import { makeDirectory, StoreFailedError, StoreFullError, StoreSchemaError } from '@pulsemesh/store';
import { ChainDamagedError } from '../errors.ts';
import { fromHex, toHex } from '../state/hex.ts';
import type { AccountRecord, StateChanges, StateReader } from '../state/state-types.ts';
import type { StoredBlock, StoredLog, StoredTransaction } from './block.ts';
import { hasOwnSchema, prepareStatements, schema, schemaVersion } from './chain-schema.ts';
import { accountOf, blockOfRow, logOfRow, transactionOfRow } from './rows.ts';

/** A sealed block with all it brings, written whole or not at all. */
export interface BlockToWrite {
  readonly block: StoredBlock;
  readonly transactions: readonly StoredTransaction[];
  readonly logs: readonly StoredLog[];
  readonly changes: StateChanges;
}

export interface ChainDatabaseOptions {
  readonly directory: string;
  /** Kept free on the disk: below it blocks are refused. Bytes. */
  readonly reserveBytes: number;
  /** Most the database may take, bytes; default no limit. */
  readonly bytesMax?: number;
  /** Reads only, beside a process that writes. */
  readonly isReadOnly?: boolean;
}

const pageBytes = 4_096;

/** Blocks, receipts and the state in one SQLite file (WAL, synchronous=FULL): a commit is one fsync. Synchronous, for the chain's thread. */
export class ChainDatabase implements StateReader, Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #options: ChainDatabaseOptions;

  /** Opens or makes the file. @throws {ChainDamagedError}, {StoreSchemaError}, {StoreFullError}, {StoreFailedError}. */
  constructor(options: ChainDatabaseOptions) {
    this.#options = options;
    const { directory, isReadOnly = false } = options;
    if (!isReadOnly) makeDirectory(directory);
    try {
      this.#database = new DatabaseSync(databaseFile(directory), { timeout: 5_000, readOnly: isReadOnly });
    } catch (error) {
      throw conditionOf('open', error);
    }
    try {
      prepare(this.#database, options);
      this.#statements = prepareStatements(this.#database);
    } catch (error) {
      this.#database.close();
      throw conditionOf('open', error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** What was kept under `key` with the genesis. */
  meta(key: string): string | undefined {
    const row = this.#get(this.#statements.meta, key);
    return row === undefined ? undefined : String(row[0]);
  }

  head(): StoredBlock | undefined {
    const row = this.#get(this.#statements.head);
    return row && blockOfRow(row);
  }

  blockByNumber(number: number): StoredBlock | undefined {
    const row = this.#get(this.#statements.blockByNumber, number);
    return row && blockOfRow(row);
  }

  blockByHash(hash: Uint8Array): StoredBlock | undefined {
    const row = this.#get(this.#statements.blockByHash, hash);
    return row && blockOfRow(row);
  }

  transactionByHash(hash: Uint8Array): StoredTransaction | undefined {
    const row = this.#get(this.#statements.transactionByHash, hash);
    return row && transactionOfRow(row);
  }

  transactionsOf(block: number): StoredTransaction[] {
    return this.#all(this.#statements.transactionsOf, block).map(transactionOfRow);
  }

  /** Logs of blocks from … until (both within) that match, in order, as many as are taken out. */
  *logs(from: number, until: number, match: LogMatch = anyLog): Generator<StoredLog, void, undefined> {
    const { addresses, topics } = match;
    const places = [0, 1, 2, 3].map((place) => listText(topics[place] ?? null));
    const values = [from, until, listText(addresses), ...places, topics.length * 32];
    try {
      for (const row of this.#statements.logs.iterate(...values) as Iterable<unknown>) yield logOfRow(row as unknown[]); // arrays, by setReturnArrays
    } catch (error) {
      throw conditionOf('read', error);
    }
  }

  logsOf(block: number): StoredLog[] {
    return this.#all(this.#statements.logsOfBlock, block).map(logOfRow);
  }

  account(address: string): AccountRecord | undefined {
    const row = this.#get(this.#statements.account, fromHex(address));
    return row && accountOf(row);
  }

  slot(place: string): Uint8Array {
    const row = this.#get(this.#statements.slot, fromHex(place));
    return row === undefined ? none : (row[0] as Uint8Array);
  }

  code(hash: string): Uint8Array {
    const row = this.#get(this.#statements.code, fromHex(hash));
    return row === undefined ? none : (row[0] as Uint8Array);
  }

  slotsOf(address: string): readonly string[] {
    const [from, until] = [fromHex(address + '00'.repeat(32)), fromHex(address + 'ff'.repeat(32))];
    return this.#all(this.#statements.slotsOf, from, until).map(([place]) => toHex(place as Uint8Array).slice(40));
  }

  /** All accounts and all slots, for a comparison with a replay. */
  *wholeState(): Generator<
    | { readonly account: string; readonly record: AccountRecord }
    | { readonly place: string; readonly value: Uint8Array }
  > {
    try {
      for (const row of this.#statements.accounts.iterate() as Iterable<unknown>) {
        const columns = row as unknown[]; // arrays, by setReturnArrays
        yield { account: toHex(columns[0] as Uint8Array), record: accountOf(columns.slice(1)) };
      }
      for (const row of this.#statements.slots.iterate() as Iterable<unknown>) {
        const [place, value] = row as [Uint8Array, Uint8Array];
        yield { place: toHex(place), value };
      }
    } catch (error) {
      throw conditionOf('read', error);
    }
  }

  /** Every read from now on sees the database as it is now, whatever is written beside it. For a read-only database. */
  holdStill(): void {
    this.#database.exec('BEGIN');
    this.head();
  }

  /** Damage that SQLite itself sees, indexes that differ from their tables, other tables and rules than its own. @throws {ChainDamagedError} */
  checkPages(): void {
    const rows = this.#all(this.#statements.check);
    if (rows[0]?.[0] !== 'ok' || !hasOwnSchema(this.#database)) throw new ChainDamagedError('pages', null);
  }

  /** How many rows there are in all, wherever they belong. */
  counts(): { readonly blocks: number; readonly transactions: number; readonly logs: number; readonly codes: number } {
    const [blocks, transactions, logs, codes] = (this.#get(this.#statements.counts) ?? []).map(Number);
    return { blocks: blocks ?? 0, transactions: transactions ?? 0, logs: logs ?? 0, codes: codes ?? 0 };
  }

  /** Writes a block, and at the genesis what is fixed for good: durable when it returns, else nothing is. @throws {StoreFullError}, {StoreFailedError}. */
  write({ block, transactions, logs, changes }: BlockToWrite, meta: Readonly<Record<string, string>> = {}): void {
    this.#assertReserve();
    const { statements, database } = { statements: this.#statements, database: this.#database };
    try {
      database.exec('BEGIN IMMEDIATE');
      for (const [key, value] of Object.entries(meta)) statements.addMeta.run(key, value);
      statements.addBlock.run(...blockColumns(block));
      for (const transaction of transactions) statements.addTransaction.run(...transactionColumns(transaction));
      for (const log of logs) statements.addLog.run(...logColumns(log));
      this.#apply(changes);
      database.exec('COMMIT');
    } catch (error) {
      rollBack(database);
      throw conditionOf('commit', error);
    }
  }

  #apply({ accounts, slots, codes }: StateChanges): void {
    const { putAccount, removeAccount, putSlot, removeSlot, addCode } = this.#statements;
    for (const [address, record] of accounts) {
      if (record === null) removeAccount.run(fromHex(address));
      else putAccount.run(fromHex(address), record.nonce, record.balance.toString(16), record.codeHash);
    }
    for (const [place, value] of slots) {
      if (value.length === 0) removeSlot.run(fromHex(place));
      else putSlot.run(fromHex(place), value);
    }
    for (const [hash, code] of codes) addCode.run(fromHex(hash), code);
  }

  #assertReserve(): void {
    const { bavail, bsize } = statfsSync(this.#options.directory);
    if (bavail * bsize < this.#options.reserveBytes) throw new StoreFullError('free-space reserve');
  }

  #get(statement: StatementSync, ...values: Value[]): unknown[] | undefined {
    try {
      return statement.get(...values) as unknown[] | undefined; // arrays, by setReturnArrays
    } catch (error) {
      throw conditionOf('read', error);
    }
  }

  #all(statement: StatementSync, ...values: Value[]): unknown[][] {
    try {
      return statement.all(...values) as unknown as unknown[][];
    } catch (error) {
      throw conditionOf('read', error);
    }
  }
}

/** Which logs; hex as in state keys. Null: any. A place that is asked about must be there. */
export interface LogMatch {
  readonly addresses: readonly string[] | null;
  readonly topics: readonly (readonly string[] | null)[];
}

const anyLog: LogMatch = { addresses: null, topics: [] };

function listText(items: readonly string[] | null): string | null {
  return items === null ? null : JSON.stringify(items);
}

type Value = Uint8Array | number | bigint | string | null;
const none = new Uint8Array(0);

/** Where a chain's database is in its directory. */
export function databaseFile(directory: string): string {
  return join(directory, 'chain.sqlite');
}

function prepare(database: DatabaseSync, { bytesMax, isReadOnly = false }: ChainDatabaseOptions): void {
  if (isReadOnly) return;
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536');
  if (bytesMax !== undefined) database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(bytesMax / pageBytes))}`);
  const version = Number(Object.values(database.prepare('PRAGMA user_version').get() ?? {})[0] ?? 0);
  if (version === schemaVersion) return;
  if (version !== 0) throw new StoreSchemaError(String(version), schemaVersion);
  database.exec(`BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
}

function rollBack(database: DatabaseSync): void {
  try {
    // SQLite has rolled back by itself after some errors, not after others.
    if (database.isTransaction) database.exec('ROLLBACK');
  } catch {
    // What comes of the commit says what is the matter; the next start reads what is there.
  }
}

const sqliteFull = 13;
const sqliteDamaged: readonly number[] = [11, 26];

function conditionOf(operation: string, error: unknown): Error {
  if (error instanceof StoreSchemaError || error instanceof ChainDamagedError) return error;
  const result = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  if (result === sqliteFull) return new StoreFullError('SQLite found no room', { cause: error });
  if (sqliteDamaged.includes(result)) return new ChainDamagedError('pages', null, { cause: error });
  return new StoreFailedError(operation, { cause: new Error(errorMessage(error)) });
}

function blockColumns(block: StoredBlock): Value[] {
  const { number, hash, parentHash, timestamp, gasUsed, transactionsHash, receiptsHash, stateHash, seal } = block;
  return [
    number,
    hash,
    parentHash,
    timestamp,
    gasUsed,
    transactionsHash,
    receiptsHash,
    stateHash,
    seal,
    block.transactionCount,
  ];
}

function transactionColumns(transaction: StoredTransaction): Value[] {
  const { block, place, hash, sender, raw, isSuccess, gasUsed, cumulativeGas, contract } = transaction;
  return [block, place, hash, sender, raw, isSuccess ? 1 : 0, gasUsed, cumulativeGas, contract];
}

function logColumns({ block, place, transactionPlace, address, topics, data }: StoredLog): Value[] {
  return [block, place, transactionPlace, address, Buffer.concat(topics), data];
}
