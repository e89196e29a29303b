import { join } from 'node:path';
import { openSqliteRecords } from '@pulsemesh/store';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** Where a storage peer keeps its records, in its data directory. */
export function recordsFile(dataDirectory: string): string {
  return join(dataDirectory, 'records.sqlite');
}

/** A storage peer over SQLite. */
export async function startStorage({ config, deps, port, rpc, stack }: NodeContext): Promise<StartedRole> {
  const records = stack.use(await openSqliteRecords({ file: recordsFile(config.dataDirectory) }, deps));
  stack.use(await startStorageRole({}, { ...deps, port, rpc, records }));
  return {};
}
