import { EngineFailedError } from '../../errors.ts';
import type { Connections } from './connections.ts';
import type { Session } from './session.ts';

// A mailbox's messages and ids are kept under its epoch, so that what an earlier mailbox of the same name left is never taken
// for its own. Ids are kept by generation: a full or old one is followed by the next, and the one before the last is dropped.

const first = [
  `create table mailbox (
    inbox bytea primary key,
    epoch bytea not null unique,
    owner bytea not null,
    until_ms bigint not null,
    takes_streams boolean not null,
    last_offset bigint not null,
    count bigint not null,
    bytes bigint not null,
    expired_ms bigint not null,
    generation integer not null,
    generation_count bigint not null,
    generation_since_ms bigint not null,
    oldest_generation integer not null
  ) with (fillfactor = 50)`,
  'create index mailbox_owner on mailbox (owner)',
  `create table message (
    epoch bytea not null,
    priority smallint not null,
    message_offset bigint not null,
    message_id bytea not null,
    sender bytea not null,
    kind smallint not null,
    stored_ms bigint not null,
    expires_ms bigint not null,
    receipt_to bytea,
    envelope bytea not null,
    primary key (epoch, priority, message_offset)
  ) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000)`,
  'create index message_expires on message (expires_ms)',
  // Sealed bytes do not shrink: trying costs.
  'alter table message alter column envelope set storage external',
  `create table message_id (
    epoch bytea not null,
    generation integer not null,
    message_id bytea not null,
    message_offset bigint not null,
    primary key (epoch, generation, message_id)
  )`,
  // Ids of a mailbox that is gone.
  'create table leftover (epoch bytea primary key)',
  `create table sender (
    sender bytea primary key,
    count bigint not null,
    bytes bigint not null
  ) with (fillfactor = 50)`,
  'create index sender_idle on sender (sender) where count = 0',
];

/** What each version adds to the one before it; the first makes version 1. */
const migrations: readonly (readonly string[])[] = [first];

/** Any number that nobody else uses: whoever holds it changes the schema. */
const schemaLock = 5_824_417_003;

/**
 * Brings the schema to this program's version; relays that start at the same time do it once.
 * @throws {EngineFailedError} for a schema that a newer program made; what the connection throws.
 */
export async function migrate(connections: Connections, schema: string): Promise<void> {
  await connections.transaction(async (session) => {
    await session.execute(`select pg_advisory_xact_lock(${schemaLock})`);
    // Asking first: making what is there needs a right that the relay need not have.
    const [found] = await session.execute('select 1 from pg_namespace where nspname = $1', [schema]);
    if (found === undefined) await session.execute(`create schema ${schema}`); // parsePostgresUrl has checked the name
    await session.execute('create table if not exists relay_schema (version integer primary key)');
    const version = await versionOf(session);
    if (version > migrations.length) {
      throw new EngineFailedError(
        `the schema has version ${version}, this program knows ${migrations.length} and older`,
      );
    }
    for (let next = version; next < migrations.length; next += 1) {
      for (const change of migrations[next] ?? []) await session.execute(change);
      await session.execute('insert into relay_schema (version) values ($1)', [next + 1]);
    }
  });
}

async function versionOf(session: Session): Promise<number> {
  const [row] = await session.execute<{ version: number | null }>('select max(version) as version from relay_schema');
  return row?.version ?? 0;
}
