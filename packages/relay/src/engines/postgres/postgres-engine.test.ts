import { silentLogger } from '@pulsemesh/base';
import { afterAll, describe, it } from 'vitest';
import { runEngineContract } from '../../testing/engine-contract.ts';
import { findPostgres, startPostgres } from '../../testing/servers/postgres-server.ts';
import { openPostgresEngine } from './postgres-engine.ts';

const isThere = findPostgres() !== null;
if (!isThere) console.warn('skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)');

// The write-ahead log is flushed as it is in production; only the pauses between checkpoints are longer.
const server = isThere ? await startPostgres({ settings: { max_wal_size: '2GB' } }) : null;
afterAll(() => server?.[Symbol.asyncDispose]());

let schemas = 0;
const open = (options: Parameters<Parameters<typeof runEngineContract>[1]['open']>[0]) => {
  const { limits, ...dependencies } = options;
  const url = `${server?.url}?schema=relay_${schemas}`;
  return openPostgresEngine({ url, limits }, { ...dependencies, logger: silentLogger });
};
const openNew = (options: Parameters<typeof open>[0]) => {
  schemas += 1;
  return open(options);
};

describe.skipIf(!isThere)('mailboxes in PostgreSQL', () => {
  runEngineContract(
    { describe, it },
    { name: 'PostgreSQL', open: openNew, reopen: open, openBeside: open, modelRuns: 6 },
  );
});
