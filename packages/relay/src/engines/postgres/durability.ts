import { EngineUnsafeError } from '../../errors.ts';

/** What a server says of itself on a new connection. */
export interface ServerFacts {
  readonly version: string;
  readonly isStandby: boolean;
  /** Null: it has no such setting. */
  readonly fsync: string | null;
  readonly synchronousCommit: string | null;
  readonly fullPageWrites: string | null;
  readonly synchronousStandbys: string | null;
}

/** One row of {@link ServerFacts}. `current_setting(…, true)` is null for what a server does not know. */
export const serverFactsSql = `
  select version() as version, pg_is_in_recovery() as "isStandby",
    current_setting('fsync', true) as fsync,
    current_setting('synchronous_commit', true) as "synchronousCommit",
    current_setting('full_page_writes', true) as "fullPageWrites",
    current_setting('synchronous_standby_names', true) as "synchronousStandbys"`;

/** Replicated stores that speak PostgreSQL's protocol and commit on a majority of disks whatever these settings say. */
const replicated = /CockroachDB|-YB-/;
/** PostgreSQL compiled for a browser or Node: it never calls fsync. */
const embedded = /emscripten|wasm|pglite/i;

/**
 * Refuses a server that says "committed" before it is on the disk.
 * @throws {EngineUnsafeError} naming the first setting that is at fault.
 */
export function assertDurable(facts: ServerFacts): void {
  if (embedded.test(facts.version)) throw new EngineUnsafeError('the server', 'PGlite', 'a PostgreSQL server');
  if (replicated.test(facts.version)) return;
  for (const [setting, value] of [
    ['fsync', facts.fsync],
    ['full_page_writes', facts.fullPageWrites],
  ] as const) {
    if (value !== 'on') throw new EngineUnsafeError(setting, value ?? 'unknown', 'on');
  }
  const commit = facts.synchronousCommit;
  // `local` and `remote_write` flush here, but do not wait for a standby's disk: enough unless standbys are named.
  const hasStandbys = (facts.synchronousStandbys ?? '') !== '';
  const enough = hasStandbys ? ['on', 'remote_apply'] : ['on', 'remote_apply', 'remote_write', 'local'];
  if (commit === null || !enough.includes(commit)) {
    throw new EngineUnsafeError('synchronous_commit', commit ?? 'unknown', 'on');
  }
}
