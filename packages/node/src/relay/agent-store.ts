import { join } from 'node:path';
import { Condition } from '@pulsemesh/base';
import { lockDirectory, openLmdbTables, StoreInUseError, type TableStore } from '@pulsemesh/store';
import type { NodeDependencies } from '../process/node-context.ts';

/**
 * What a process does as an agent: `send` has the outbox, `receive` the mailboxes and the contact card, `both` everything. In one
 * data directory one process sends and one receives at a time.
 */
export type AgentUse = 'send' | 'receive' | 'both';

/** Another process does the same on this data directory. */
export class AgentBusyError extends Condition {
  override readonly name = 'AgentBusyError';
  constructor(use: 'send' | 'receive', cause: unknown) {
    const doing = use === 'send' ? 'sends' : 'receives';
    super('agent-busy', `another process already ${doing} as the agent of this data directory`, {
      facts: { use },
      retryable: true,
      cause,
    });
  }
}

/**
 * The agent's tables, durable, in its data directory; disposing closes them and lets others in.
 * @throws {AgentBusyError}; what `openLmdbTables` throws.
 */
export async function openAgentStore(
  { dataDirectory, use }: { readonly dataDirectory: string; readonly use: AgentUse },
  { logger }: Pick<NodeDependencies, 'logger'>,
): Promise<{ readonly store: TableStore } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (const one of use === 'both' ? (['send', 'receive'] as const) : [use]) {
    stack.use(lock(join(dataDirectory, 'agent', one), one));
  }
  const store = stack.use(await openLmdbTables({ directory: agentStoreDirectory(dataDirectory) }, { logger }));
  const rest = stack.move();
  return { store, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** Where its tables lie. Whoever reads beside the agent's own process opens them without its lock, and writes nothing. */
export function agentStoreDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'agent', 'store');
}

function lock(directory: string, use: 'send' | 'receive'): Disposable {
  try {
    return lockDirectory(directory);
  } catch (error) {
    throw error instanceof StoreInUseError ? new AgentBusyError(use, error) : error;
  }
}
