import { join } from 'node:path';
import { type MailboxEngine, openLmdbEngine } from '@pulsemesh/relay';
import { ConfigError } from '../config/config-error.ts';
import type { NodeDependencies } from '../process/node-context.ts';

/**
 * The mailbox engine that the settings name: LMDB in the data directory, or one that several relays share.
 * @throws {ConfigError} for an engine that is not there; what the engine throws when it cannot be opened.
 */
export async function openEngine(
  { engine, dataDirectory }: { readonly engine?: string | undefined; readonly dataDirectory: string },
  deps: NodeDependencies,
): Promise<MailboxEngine> {
  if (engine === undefined) return openLmdbEngine({ directory: join(dataDirectory, 'relay') }, deps);
  throw new ConfigError('relay.engine', 'is none that this build has');
}
