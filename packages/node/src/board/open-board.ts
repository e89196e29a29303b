import { join } from 'node:path';
import type { Meter } from '@pulsemesh/base';
import { type BoardClient, type BoardPlace, openBoardClient } from '@pulsemesh/board/client';
import { sha256 } from '@pulsemesh/crypto';
import { lockDirectory, openLmdbTables } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { boardFetch } from '../learning/board-fetch.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import type { AgentNetwork } from '../relay/agent.ts';
import { cardHolder } from './board-service.ts';

export interface OpenBoardOptions extends BoardPlace {
  /** What was verified is kept below it, for one process at a time. */
  readonly dataDirectory: string;
  /** The way out of the building. */
  readonly network?: AgentNetwork;
  /** Default that of the client; 0: only when asked. */
  readonly followMs?: number;
}

/**
 * Follows a board through whatever stands between, with what was verified kept in the data directory; closing it closes all of it.
 * @throws {StoreInUseError} where another process follows it there; {FollowStoreDamagedError}.
 */
export async function openBoard(
  options: OpenBoardOptions,
  deps: Pick<NodeDependencies, 'clock' | 'logger'> & { readonly meter: Meter },
): Promise<BoardClient> {
  const { url, policy, authorities, dataDirectory, network = {}, followMs } = options;
  await using stack = new AsyncDisposableStack();
  const name = toHex(sha256(new TextEncoder().encode(policy.board.name))).slice(0, 32);
  const directory = join(dataDirectory, 'boards', name);
  stack.use(lockDirectory(directory));
  const store = stack.use(await openLmdbTables({ directory: join(directory, 'tables') }));
  const fetch = boardFetch(network, deps, stack);
  const settings = { url, policy, authorities, cardHolder, store, ...(followMs === undefined ? {} : { followMs }) };
  const client = stack.use(await openBoardClient(settings, { ...deps, fetch }));
  const rest = stack.move();
  // Closing the client closes what lies under it too.
  return Object.assign(client, { [Symbol.asyncDispose]: () => rest.disposeAsync() });
}
