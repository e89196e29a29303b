import { join } from 'node:path';
import type { Clock } from '@pulsemesh/base';
import { Admission } from '@pulsemesh/board/server';
import { openLmdbTables } from '@pulsemesh/store';
import { boardFolders } from './board-service.ts';

/** The list of who may add to the board in a data directory, whether it runs or not: the operator's commands change it. */
export async function openAdmission(
  dataDirectory: string,
  dependencies: { readonly clock: Clock },
): Promise<AsyncDisposable & { readonly admission: Admission }> {
  const store = await openLmdbTables({ directory: join(dataDirectory, boardFolders.admission) });
  return {
    admission: new Admission({ store }, dependencies),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
