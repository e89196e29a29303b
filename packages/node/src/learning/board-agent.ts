import { Condition, errorCode } from '@pulsemesh/base';
import { type BoardClient, type BoardPlace, openBoardClient } from '@pulsemesh/board/client';
import type { CardRelay, Identity } from '@pulsemesh/identity';
import type { Enrolment } from '@pulsemesh/learning';
import type { DialerOptions, Link } from '@pulsemesh/link';
import type { TableStore } from '@pulsemesh/store';
import { cardHolder } from '../board/board-service.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { type AgentClient, connectAgent } from '../relay/agent-client.ts';
import { openAgentStore } from '../relay/agent-store.ts';
import { BoardContacts } from './board-contacts.ts';
import { boardFetch } from './board-fetch.ts';
import { keepCardOnBoard, readOwnCard } from './own-card-on-board.ts';
import { OwnCards } from './own-cards.ts';

export interface BoardAgentOptions {
  /** The agent's. One process at a time. */
  readonly dataDirectory: string;
  /** Under what name its key stands on the board: an organisation's. */
  readonly organisation: string;
  readonly identity: Identity;
  /** Reads the identity again; called once a day. Null: it stays. */
  readonly readIdentity: (() => Promise<Identity>) | null;
  readonly relay: CardRelay;
  /** The session with that relay; the caller's. */
  readonly link: Link;
  /** False where that session is also a node's network, which takes its streams: the agent has its mailbox alone. Default true. */
  readonly takesStreams?: boolean;
  readonly board: BoardPlace;
  /** The way out of the building. */
  readonly network: Pick<DialerOptions, 'proxy' | 'proxyCredentialsFile' | 'trust'>;
  /** How often the board is looked at, milliseconds. */
  readonly followMs: number;
}

/** An agent that knows others, and is known, by the board. */
export interface BoardAgent {
  readonly board: BoardClient;
  readonly contacts: BoardContacts;
  readonly client: AgentClient;
  /** Its durable tables: marks of messages are committed here. */
  readonly store: TableStore;
  /** Resolves with what enrols its key on the board, once its contact card is current. */
  enrolment(): Promise<Enrolment>;
}

/**
 * Starts an agent over a session with a relay: its mailbox, the board, its card on the board. Nothing listens; all ends with `stack`.
 * @throws {AgentBusyError}; {FollowStoreDamagedError}; what opening the store throws.
 */
export async function startBoardAgent(
  options: BoardAgentOptions,
  deps: NodeDependencies,
  stack: AsyncDisposableStack,
): Promise<BoardAgent> {
  const { dataDirectory, organisation, identity, readIdentity, relay, link, followMs, takesStreams = true } = options;
  const { store } = stack.use(await openAgentStore({ dataDirectory, use: 'both' }, deps));
  const { url, policy, authorities } = options.board;
  const board = stack.use(
    await openBoardClient(
      { url, policy, authorities, followMs, store, cardHolder },
      { ...deps, fetch: boardFetch(options.network, deps, stack) },
    ),
  );
  board.onEvidence(({ kind }) =>
    deps.logger.error('the board contradicts itself: nothing of it is trusted any more', { evidence: kind }),
  );
  const contacts = stack.use(new BoardContacts(board, deps));
  const { client, cardCurrent } = await connectAgent(
    { dataDirectory, use: 'both', link, relay, contacts, store, identity, readIdentity, takesStreams },
    deps,
    stack,
  );
  // What comes before the board shows the sender's key waits at the relay.
  client.onStranger(() => 'keep');
  const ownCards = new OwnCards(store);
  const enrolment = async () => {
    await cardCurrent;
    const { bytes } = await readOwnCard(dataDirectory);
    await ownCards.remember(bytes);
    return { name: organisation, card: bytes };
  };
  const keeping = new AbortController();
  stack.defer(() => keeping.abort(new Condition('stopped', 'the agent stops')));
  keepCardOnBoard({ board, identity, enrolment }, keeping.signal, deps).catch((error: unknown) =>
    deps.logger.error('the card is not kept on the board any more', { code: errorCode(error) }),
  );
  stack.use(ownCards.watch(board, { peerId: identity.peerId, name: organisation }, deps));
  return { board, contacts, client, store, enrolment };
}
