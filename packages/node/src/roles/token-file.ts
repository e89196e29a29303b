import { join } from 'node:path';

/** Where the gateway keeps the token of its API, in its data directory. */
export function tokenFile(dataDirectory: string): string {
  return join(dataDirectory, 'token');
}
