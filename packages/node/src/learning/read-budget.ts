import { existsSync } from 'node:fs';
import { openPrivacyBook, type PrivacySpent } from '@pulsemesh/learning';
import { openLmdbTables } from '@pulsemesh/store';
import { agentStoreDirectory } from '../relay/agent-store.ts';

/**
 * What a site has spent, per purpose, then per task, from its book: also while the site runs, since nothing is written.
 * @throws {PrivacyBookError}; {StoreFailedError}.
 */
export async function readBudget(dataDirectory: string): Promise<readonly PrivacySpent[]> {
  const directory = agentStoreDirectory(dataDirectory);
  if (!existsSync(directory)) return [];
  await using tables = await openLmdbTables({ directory });
  return openPrivacyBook({ purposeEpsilonMax: null }, { tables }).spent();
}
