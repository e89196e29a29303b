import { join } from 'node:path';

/** Where a storage peer keeps its records, in its data directory. */
export function recordsFile(dataDirectory: string): string {
  return join(dataDirectory, 'records.sqlite');
}
