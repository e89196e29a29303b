import { Worker } from 'node:worker_threads';
import { unreachable } from '@pulsemesh/base';
import {
  StoreBusyError,
  StoreFailedError,
  StoreFullError,
  StoreInUseError,
  StoreLimitError,
  StoreSchemaError,
} from './errors.ts';
import { recordLimits } from './record-limits.ts';
import type { SqliteCallName, SqliteCalls, SqliteFault, SqliteResponse, SqliteSettings } from './sqlite-messages.ts';

/** The database's thread seen from outside: calls in, answers out, every call settled even when the thread dies. */
export class SqliteThread {
  /** Of the store that was opened. */
  readonly epoch: string;
  readonly #worker: Worker;
  readonly #pending: PendingCalls;

  private constructor(worker: Worker, pending: PendingCalls, epoch: string) {
    this.#worker = worker;
    this.#pending = pending;
    this.epoch = epoch;
  }

  /** Starts the thread and opens the database in it. @throws what `openSqliteRecords` throws. */
  static async start(settings: SqliteSettings): Promise<SqliteThread> {
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: settings });
    const pending: PendingCalls = new Map();
    const opened = expectAnswer<string>(pending, 0);
    worker.on('message', (response: SqliteResponse) => settle(pending, response));
    worker.on('error', (error) => rejectAll(pending, new StoreFailedError('thread', { cause: error })));
    worker.on('exit', () => rejectAll(pending, new StoreFailedError('thread ended')));
    return new SqliteThread(worker, pending, await opened);
  }

  /** Asks the thread; `transfer` moves with the question. @throws what the call's fault says; {@link StoreBusyError}. */
  async call<Name extends SqliteCallName>(
    name: Name,
    ask: SqliteCalls[Name]['ask'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<SqliteCalls[Name]['answer']> {
    if (this.#worker.threadId < 0) throw new StoreFailedError('thread ended');
    if (this.#pending.size >= recordLimits.waitingRequestsMax) throw new StoreBusyError('waitingRequestsMax');
    this.#callCount += 1;
    const answer = expectAnswer<SqliteCalls[Name]['answer']>(this.#pending, this.#callCount);
    this.#worker.postMessage({ call: this.#callCount, name, ask }, [...transfer]);
    return answer;
  }
  #callCount = 0;

  /** Answers what was asked, closes the database and ends the thread. Never throws. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    if (this.#worker.threadId < 0) return;
    try {
      await this.call('close', null);
    } catch {
      await this.#worker.terminate();
    }
    await ended;
  }
}

type PendingCalls = Map<number, { resolve(answer: unknown): void; reject(reason: unknown): void }>;

function expectAnswer<Answer>(pending: PendingCalls, call: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // The worker answers each call with the type its name has in SqliteCalls.
    pending.set(call, { resolve: (answer) => resolve(answer as Answer), reject });
  });
}

function settle(pending: PendingCalls, response: SqliteResponse): void {
  const waiter = pending.get(response.call);
  pending.delete(response.call);
  if (response.isOk) waiter?.resolve(response.answer);
  else waiter?.reject(conditionOf(response.fault));
}

function rejectAll(pending: PendingCalls, reason: StoreFailedError): void {
  for (const waiter of pending.values()) waiter.reject(reason);
  pending.clear();
}

function conditionOf(fault: SqliteFault): Error {
  switch (fault.kind) {
    case 'full':
      return new StoreFullError(fault.reason);
    case 'locked':
      return new StoreInUseError();
    case 'limit':
      return new StoreLimitError(fault.limit);
    case 'schema':
      return new StoreSchemaError(fault.found, fault.known);
    case 'failed':
      return new StoreFailedError(fault.operation, { cause: new Error(fault.text) });
    default:
      return unreachable(fault);
  }
}
