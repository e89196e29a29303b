import { openSqliteRecords } from '@pulsemesh/store';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import type { NodeContext, StartedRole } from '../process/node-context.ts';
import { recordsFile } from './storage-file.ts';

/** A storage peer over SQLite. */
export async function startStorage({ config, deps, port, rpc, stack }: NodeContext): Promise<StartedRole> {
  const records = stack.use(await openSqliteRecords({ file: recordsFile(config.dataDirectory) }, deps));
  stack.use(await startStorageRole({}, { ...deps, port, rpc, records }));
  return {};
}
