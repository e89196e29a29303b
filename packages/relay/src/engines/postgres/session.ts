import pg from 'pg';
import { EngineUnavailableError } from '../../errors.ts';
import { assertDurable, type ServerFacts, serverFactsSql } from './durability.ts';
import type { Statement } from './statements.ts';

/** One connection to a primary. Statements are sent without waiting for the answers to earlier ones; answers come in order. */
export interface Session {
  readonly facts: ServerFacts;
  isBroken: boolean;
  query<Row>(statement: Statement, values?: readonly unknown[]): Promise<readonly Row[]>;
  begin(): Promise<void>;
  /** @throws {EngineUnavailableError} also where the server says "committed" but warns that it may not be on the standby. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Anything that is sent once; several statements where there are no values. */
  execute<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  onBroken(handler: () => void): void;
  onNotification(handler: (payload: string) => void): void;
  end(): Promise<void>;
}

export interface SessionOptions {
  readonly schema: string;
  readonly unsafeDurability: boolean;
}

const connectTimeoutMs = 5_000;
/** The server ends a statement, a wait for a lock, a transaction that nobody goes on with, after so long. */
const statementTimeoutMs = 20_000;
const lockTimeoutMs = 10_000;
const idleTransactionTimeoutMs = 20_000;
/** Where the server says nothing at all, the connection is given up. */
const answerTimeoutMs = 30_000;
const int8Oid = 20;

/**
 * A mailbox table is empty now and full a second later, so that statistics mislead: everything here is looked up by a key, and is to be
 * planned so.
 */
const planning = 'set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off';

/**
 * Connects to one server and makes sure that it is a primary whose commits last.
 * @throws {EngineUnavailableError} for a standby; {EngineUnsafeError}; what pg throws.
 */
export async function connectSession(server: string, options: SessionOptions): Promise<Session> {
  const client = new pg.Client({
    connectionString: server,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: idleTransactionTimeoutMs,
    query_timeout: answerTimeoutMs,
    application_name: 'pulsemesh-relay',
    types: { getTypeParser },
  });
  client.on('error', () => {}); // the calls under way are told; a session listens besides
  try {
    await client.connect();
    const found = await client.query<ServerFacts & pg.QueryResultRow>(serverFactsSql);
    const facts = found.rows[0] as ServerFacts; // the statement has one row
    if (facts.isStandby) throw new EngineUnavailableError('the server is a standby');
    if (!options.unsafeDurability) assertDurable(facts);
    await client.query(`set search_path to ${client.escapeIdentifier(options.schema)}; ${planning}`);
    return new PostgresSession(client, facts);
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** 64-bit numbers as numbers: offsets, counts and times stay below 2^53. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === int8Oid && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser; // its overloads differ by format only

class PostgresSession implements Session {
  readonly facts: ServerFacts;
  isBroken = false;
  readonly #client: pg.Client;
  #warnings = 0;

  constructor(client: pg.Client, facts: ServerFacts) {
    this.#client = client;
    this.facts = facts;
    client.on('notice', ({ severity }) => {
      if (severity === 'WARNING') this.#warnings += 1;
    });
  }

  async query<Row>({ name, text }: Statement, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const result = await this.#client.query({ name, text, values: [...values] });
    return result.rows as Row[]; // the statement says what its rows are
  }

  async execute<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]> {
    const result = await (values === undefined ? this.#client.query(text) : this.#client.query(text, [...values]));
    return (result.rows ?? []) as Row[]; // as above
  }

  async begin(): Promise<void> {
    await this.#client.query('begin');
  }

  async commit(): Promise<void> {
    const before = this.#warnings;
    const { command } = await this.#client.query('commit');
    // After a statement that failed, "commit" is answered with "rollback" and no error.
    if (command !== 'COMMIT') throw new EngineUnavailableError('the transaction was undone');
    // A wait for the standby that is cancelled ends in success and a warning (syncrep.c): that is not durable.
    if (this.#warnings !== before) throw new EngineUnavailableError('the commit came with a warning');
  }

  async rollback(): Promise<void> {
    await this.#client.query('rollback');
  }

  onBroken(handler: () => void): void {
    const broken = () => {
      this.isBroken = true;
      handler();
    };
    this.#client.on('error', broken);
    this.#client.on('end', broken);
  }

  onNotification(handler: (payload: string) => void): void {
    this.#client.on('notification', ({ payload }) => handler(payload ?? ''));
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => {});
  }
}
