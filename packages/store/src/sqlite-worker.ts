import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@pulsemesh/base';
import { StoreFailedError, StoreFullError, StoreLimitError, StoreSchemaError } from './errors.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import type {
  SqliteCallName,
  SqliteCalls,
  SqliteFault,
  SqliteRequest,
  SqliteResponse,
  SqliteSettings,
} from './sqlite-messages.ts';

// The worker of openSqliteRecords: one database, calls in the order they come. It says nothing but answers.

const port = parentPort;
if (port === null) throw new Error('this file is a worker');

const handlers: {
  [Name in SqliteCallName]: (database: SqliteDatabase, ask: SqliteCalls[Name]['ask']) => SqliteCalls[Name]['answer'];
} = {
  put(database, { puts, packed }) {
    database.put(puts, packed);
    return null;
  },
  query: (database, query) => database.query(query),
  digests: (database, asked) => database.digests(asked),
  owed: (database, limit) => database.owed(limit),
  forgetSome: (database, { lost, after }) => database.forgetSome(lost, after),
  copyHolders: (database) => database.copyHolders(),
  scan: (database, { after, limit }) => database.scan(after, limit),
  subjects: (database) => database.subjects(),
  counts: (database) => database.counts(),
  close(database) {
    database.close();
    port.close(); // nothing keeps the thread alive any more
    return null;
  },
};

function answer(call: number, operation: string, action: () => unknown): void {
  let response: SqliteResponse;
  try {
    response = { call, isOk: true, answer: action() };
  } catch (error) {
    response = { call, isOk: false, fault: faultOf(operation, error) };
  }
  port?.postMessage(response, response.isOk ? buffersIn(response.answer) : []);
}

/** The packed records of an answer, which move to the other thread instead of being copied. */
function buffersIn(value: unknown): ArrayBuffer[] {
  if (value instanceof ArrayBuffer) return [value];
  const packed = typeof value === 'object' && value !== null && 'packed' in value ? value.packed : undefined;
  return packed instanceof ArrayBuffer ? [packed] : [];
}

const sqliteFull = 13;
const sqliteLocked: readonly number[] = [5, 6];

function faultOf(operation: string, error: unknown): SqliteFault {
  if (error instanceof StoreFullError) return { kind: 'full', reason: String(error.facts['reason']) };
  if (error instanceof StoreLimitError) return { kind: 'limit', limit: String(error.facts['limit']) };
  if (error instanceof StoreSchemaError) {
    return { kind: 'schema', found: String(error.facts['found']), known: Number(error.facts['known']) };
  }
  if (error instanceof StoreFailedError) return { kind: 'failed', operation, text: error.message };
  const result = primaryResultOf(error);
  if (result === sqliteFull) return { kind: 'full', reason: 'SQLite found no room' };
  if (sqliteLocked.includes(result)) return { kind: 'locked' };
  return { kind: 'failed', operation, text: errorMessage(error) };
}

/** SQLite's result code without what extends it, or 0. */
function primaryResultOf(error: unknown): number {
  const isSqlite = typeof error === 'object' && error !== null && 'errcode' in error;
  return isSqlite && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}

const settings = workerData as SqliteSettings; // given by openSqliteRecords
let database: SqliteDatabase | undefined;
answer(0, 'open', () => {
  database = new SqliteDatabase(settings);
  return database.epoch;
});
if (database === undefined) {
  port.close();
} else {
  const opened = database;
  port.on('message', ({ call, name, ask }: SqliteRequest) => {
    const handler = handlers[name] as (database: SqliteDatabase, ask: unknown) => unknown; // the sender pairs them
    answer(call, name, () => handler(opened, ask));
  });
}
