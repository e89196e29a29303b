import type { Clock, Logger } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import { EngineBusyError, EngineClosedError, EngineUnavailableError } from '../../errors.ts';
import { connectSession, type Session } from './session.ts';
import type { PostgresSettings } from './settings.ts';
import { asCondition, breaksConnection, isConflict } from './sql-errors.ts';

export interface ConnectionsOptions extends PostgresSettings {
  /** Connections at most. */
  readonly connectionsMax: number;
  /** Run on a server that may lose what it acknowledged. */
  readonly unsafeDurability: boolean;
}

/** Calls that wait for a connection; more are refused. */
const waitingMax = 10_000;
/** A transaction that another one stood in the way of is run again so often. */
const conflictRetriesMax = 5;
const backOffMinMs = 100;
const backOffMaxMs = 5_000;

/** A few connections to whichever server is the primary; made when needed, given up when they break. */
export class Connections implements AsyncDisposable {
  readonly #options: ConnectionsOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #idle: Session[] = [];
  readonly #all = new Set<Session>();
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #count = 0;
  /** The server that last was the primary is tried first. */
  #server = 0;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: ConnectionsOptions, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Runs `action` with a connection of its own.
   * @throws {EngineUnavailableError}, {EngineBusyError}, {EngineUnsafeError}, {EngineFailedError}, {EngineClosedError}.
   */
  async run<T>(action: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#take();
    try {
      return await action(session);
    } catch (error) {
      if (!(error instanceof Condition) && breaksConnection(error)) session.isBroken = true;
      throw asCondition(error);
    } finally {
      this.#giveBack(session);
    }
  }

  /**
   * Runs `action` in a transaction and commits; what it resolves with is durable. Runs it again where others stood in the way. A statement given to
   * `sendLast` is not waited for: the commit is sent behind it, and both must succeed.
   */
  async transaction<T>(action: (session: Session, sendLast: SendLast) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.run((session) => inTransaction(session, action));
      } catch (error) {
        const isLast = attempt >= conflictRetriesMax;
        if (isLast || !(error instanceof Condition) || !isConflict(error.cause)) throw error;
      }
    }
  }

  /** A connection for one purpose, for as long as its caller wants; the caller ends it. Not counted. */
  async dedicated(): Promise<Session> {
    return this.#connect();
  }

  async #take(): Promise<Session> {
    for (;;) {
      if (this.#isClosed) throw new EngineClosedError();
      const session = this.#idle.pop();
      if (session !== undefined) {
        if (!session.isBroken) return session;
        continue;
      }
      if (this.#count < this.#options.connectionsMax) break;
      if (this.#waiting.length >= waitingMax) throw new EngineBusyError(`${waitingMax} calls`);
      const waiter = Promise.withResolvers<void>();
      this.#waiting.push(waiter);
      await waiter.promise;
    }
    this.#count += 1;
    try {
      const session = await this.#connect();
      this.#all.add(session);
      session.onBroken(() => this.#forget(session));
      return session;
    } catch (error) {
      this.#count -= 1;
      this.#waiting.shift()?.resolve();
      throw error;
    }
  }

  #giveBack(session: Session): void {
    if (session.isBroken || this.#isClosed) {
      void session.end();
      this.#forget(session);
    } else this.#idle.push(session);
    this.#waiting.shift()?.resolve();
  }

  /** Of a connection that broke, at work or idle. */
  #forget(session: Session): void {
    if (!this.#all.delete(session)) return;
    this.#count -= 1;
    const index = this.#idle.indexOf(session);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Tries each server once; after a failure nobody tries for a while that doubles. */
  async #connect(): Promise<Session> {
    if (this.#clock.monotonicMs() < this.#notBeforeMs)
      throw new EngineUnavailableError('no server answered a moment ago');
    const { servers } = this.#options;
    let last: unknown;
    for (let tried = 0; tried < servers.length; tried += 1) {
      if (this.#isClosed) throw new EngineClosedError();
      const index = (this.#server + tried) % servers.length;
      try {
        const session = await connectSession(servers[index] as string, this.#options);
        this.#failures = 0;
        this.#server = index;
        return session;
      } catch (error) {
        last = asCondition(error);
        // Another server cannot put right what a password or a setting is at fault for, but a broken one may still say so first.
        if (last instanceof Condition && !last.retryable && servers.length === 1) throw last;
      }
    }
    this.#failures += 1;
    const delayMs = Math.min(backOffMaxMs, backOffMinMs * 2 ** Math.min(this.#failures - 1, 10));
    this.#notBeforeMs = this.#clock.monotonicMs() + delayMs;
    this.#logger.warn('no database server to write to', { servers: servers.length, failures: this.#failures });
    throw last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
    await Promise.all([...this.#all].map((session) => session.end()));
  }
}

/** Takes a statement whose answer is wanted with the commit's. */
export type SendLast = (answer: Promise<unknown>) => void;

async function inTransaction<T>(
  session: Session,
  action: (session: Session, sendLast: SendLast) => Promise<T>,
): Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  const sendLast = (answer: Promise<unknown>) => {
    last = answer;
    last.catch(() => {}); // heard below; here only until then
  };
  // Sent together with the first statement of the action. Both have ended before the connection goes on.
  const [begun, done] = await Promise.allSettled([session.begin(), action(session, sendLast)]);
  if (begun.status === 'fulfilled' && done.status === 'fulfilled') {
    // After a statement that failed the server undoes the transaction, and the commit says so: the reason is the statement's.
    const committed = session.commit();
    const ended = await Promise.allSettled([last, committed]);
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
    return done.value;
  }
  // A connection whose transaction cannot be ended is not used again.
  await session.rollback().catch(() => {
    session.isBroken = true;
  });
  throw begun.status === 'rejected' ? begun.reason : (done as PromiseRejectedResult).reason;
}
