import { join } from 'node:path';
import { type MailboxEngine, openEngine as openMailboxes } from '@pulsemesh/relay';
import type { NodeDependencies } from '../process/node-context.ts';

/**
 * The mailbox engine that the settings name: LMDB in the data directory, or one that several relays share.
 * @throws what the engine throws when it cannot be opened: {EngineUnsafeError} where it is not durable.
 */
export function openEngine(
  {
    engine,
    unsafeDurability,
    dataDirectory,
  }: {
    readonly engine?: string | undefined;
    readonly unsafeDurability?: boolean | undefined;
    readonly dataDirectory: string;
  },
  deps: NodeDependencies,
): Promise<MailboxEngine> {
  const directory = join(dataDirectory, 'relay');
  return openMailboxes(engine, { directory, unsafeDurability: unsafeDurability ?? false }, deps);
}
