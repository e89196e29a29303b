import { openSqliteRecords } from '@pulsemesh/store';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import { stopProcess, watchForFailure } from '../process/fail-stop.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';
import { recordsFile } from './storage-file.ts';

/** A storage peer over SQLite. */
export async function startStorage({ config, deps, port, rpc, stack }: NodeContext): Promise<StartedRole> {
  const opened = stack.use(await openSqliteRecords({ file: recordsFile(config.dataDirectory) }, deps));
  const records = watchForFailure(opened, stopProcess);
  stack.use(await startStorageRole({}, { ...deps, port, rpc, records }));
  return {};
}
