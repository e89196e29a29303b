import type { Logger } from '@pulsemesh/base';
import type { EngineLimits, MailboxEngine } from '../engine.ts';
import { EngineUrlError } from '../errors.ts';
import type { EngineDependencies } from './engine-options.ts';
import { openLmdbEngine } from './lmdb/lmdb-engine.ts';
import { createMemoryEngine } from './memory/memory-engine.ts';

export interface OpenEngineOptions {
  /** Of the embedded engine: where it keeps its mailboxes. */
  readonly directory: string;
  readonly limits?: Partial<EngineLimits>;
  /** Runs a shared engine that may lose in a power cut what it acknowledged; default false. */
  readonly unsafeDurability?: boolean;
}

export interface OpenEngineDependencies extends EngineDependencies {
  readonly logger: Logger;
}

/**
 * Opens the engine that `url` names: `postgres://…` and `nats://…` are shared between relays; none is LMDB in `directory`;
 * `memory:` keeps nothing and is for tests and benches.
 * @throws {EngineUrlError} for another; what the engine throws when it cannot be opened.
 */
export async function openEngine(
  url: string | undefined,
  { directory, limits = {}, unsafeDurability = false }: OpenEngineOptions,
  dependencies: OpenEngineDependencies,
): Promise<MailboxEngine> {
  if (url === undefined) return openLmdbEngine({ directory, limits }, dependencies);
  // Loaded where they are used: a relay with mailboxes of its own needs no client of a database.
  if (/^postgres(ql)?:\/\//.test(url)) {
    const { openPostgresEngine } = await import('./postgres/postgres-engine.ts');
    return openPostgresEngine({ url, limits, unsafeDurability }, dependencies);
  }
  if (url.startsWith('nats://')) {
    const { openNatsEngine } = await import('./nats/nats-engine.ts');
    return openNatsEngine({ url, limits, unsafeDurability }, dependencies);
  }
  if (url === 'memory:') return createMemoryEngine({ limits }, dependencies);
  throw new EngineUrlError('must be postgres://… or nats://…');
}
