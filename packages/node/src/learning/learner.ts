import { join } from 'node:path';
import { Condition, errorCode, sleep } from '@pulsemesh/base';
import type { BoardClient, BoardPlace } from '@pulsemesh/board/client';
import { type Gossip, openBoardClient, startGossip } from '@pulsemesh/board/client';
import { formatVerifierKey } from '@pulsemesh/board/verify';
import { type Box, createBox, hkdfSha256 } from '@pulsemesh/crypto';
import { type CardRelay, type Identity, identityFileNames, readCardFile } from '@pulsemesh/identity';
import { createRelayPost, type Enrolment, openParties, type Parties } from '@pulsemesh/learning';
import type { DialerOptions, Link } from '@pulsemesh/link';
import type { TableStore } from '@pulsemesh/store';
import { equalBytes, type PeerId } from '@pulsemesh/wire';
import { cardHolder } from '../board/board-service.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { connectAgent } from '../relay/agent-client.ts';
import { openAgentStore } from '../relay/agent-store.ts';
import { BoardContacts } from './board-contacts.ts';
import { boardFetch } from './board-fetch.ts';
import { companyOf, createLearnerMail } from './board-gossip.ts';
import { OnItsWay } from './on-its-way.ts';
import { OwnCards } from './own-cards.ts';

export interface LearnerOptions {
  /** The agent's. One process at a time. */
  readonly dataDirectory: string;
  /** Under what name its key stands on the board: an organisation's. */
  readonly organisation: string;
  readonly identity: Identity;
  readonly relay: CardRelay;
  /** The session with that relay; the caller's. */
  readonly link: Link;
  readonly board: BoardPlace;
  /** The way out of the building. */
  readonly network: Pick<DialerOptions, 'proxy' | 'proxyCredentialsFile' | 'trust'>;
}

/** A party of learning runs: a site, an aggregator, whoever publishes tasks. Disposing it closes it; runs go on with the next start. */
export interface Learner extends AsyncDisposable {
  readonly self: PeerId;
  /** What is for people to look at lies there too. */
  readonly dataDirectory: string;
  readonly identity: Identity;
  readonly board: BoardClient;
  readonly parties: Parties;
  /** Compares the board with what others in its tasks were shown, by the relay. */
  readonly gossip: Pick<Gossip, 'tell' | 'refusals'>;
  /** Durable tables of this party. */
  readonly store: TableStore;
  /** Resolves with what enrols its key on the board, once its contact card is current. */
  enrolment(): Promise<Enrolment>;
}

/**
 * Starts a party over a session with a relay: its mailbox, the board, its journal. Nothing listens.
 * @throws {AgentBusyError}; {FollowStoreDamagedError}; what opening the store throws.
 */
export async function startLearner(options: LearnerOptions, deps: NodeDependencies): Promise<Learner> {
  const { dataDirectory, organisation, identity, relay, link } = options;
  await using stack = new AsyncDisposableStack();
  const { store } = stack.use(await openAgentStore({ dataDirectory, use: 'both' }, deps));
  const board = stack.use(
    await openBoardClient(
      {
        url: options.board.url,
        policy: options.board.policy,
        authorities: options.board.authorities,
        followMs,
        store,
        cardHolder,
      },
      { ...deps, fetch: boardFetch(options.network, deps, stack) },
    ),
  );
  board.onEvidence(({ kind }) =>
    deps.logger.error('the board contradicts itself: nothing of it is trusted any more', { evidence: kind }),
  );
  const contacts = stack.use(new BoardContacts(board, deps));
  const { client, cardCurrent } = await connectAgent(
    { dataDirectory, use: 'both', link, relay, contacts, store, identity, readIdentity: null },
    deps,
    stack,
  );
  // What comes before the board shows the sender's key waits at the relay.
  client.onStranger(() => 'keep');
  const contactOf = (peer: PeerId) => contacts.byPeer(peer);
  const mail = createLearnerMail({ client, contactOf, company: () => companyOf(board, identity.peerId), store }, deps);
  const onItsWay = new OnItsWay();
  const parties = stack.use(
    await openParties(
      {
        post: createRelayPost({ self: identity.peerId, client: onItsWay.watch(mail.client), contactOf }),
        board,
        author: identity,
        store,
        box: journalBoxOf(identity, deps),
        lock: join(dataDirectory, 'agent', 'learning'),
      },
      deps,
    ),
  );
  const gossip = stack.use(startGossip(board, formatVerifierKey(options.board.policy.board), mail.gossip, deps));
  const ownCards = new OwnCards(store);
  const enrolment = async () => {
    await cardCurrent;
    const { bytes } = await readOwnCard(dataDirectory);
    await ownCards.remember(bytes);
    return { name: organisation, card: bytes };
  };
  const keeping = new AbortController();
  stack.defer(() => keeping.abort(new Condition('stopped', 'the party stops')));
  void keepCardOnBoard({ board, identity, enrolment }, keeping.signal, deps);
  stack.use(ownCards.watch(board, { peerId: identity.peerId, name: organisation }, deps));
  stack.defer(() => onItsWay.leave(parties, deps));
  const rest = stack.move();
  return {
    self: identity.peerId,
    dataDirectory,
    identity,
    board,
    parties,
    store,
    enrolment,
    gossip,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

async function readOwnCard(dataDirectory: string) {
  const card = await readCardFile(join(dataDirectory, identityFileNames.card));
  if (card === null) throw new Condition('card-missing', 'the contact card is not in the data directory any more');
  return card;
}

/** Seals the journal of a party's runs on its disk. */
function journalBoxOf({ nodeBoxKey }: Identity, deps: NodeDependencies): Box {
  return createBox(hkdfSha256({ key: nodeBoxKey, info: 'pulsemesh/learning-journal/1', length: 32 }), deps);
}

const cardLookMs = 60_000;
/** A round has four words on the board, and each waits for the one before. */
const followMs = 1_000;

/** Puts the card on the board, and each later one, so that others seal to the key in use. Until aborted. */
async function keepCardOnBoard(
  { board, identity, enrolment }: Pick<Learner, 'board' | 'identity' | 'enrolment'>,
  signal: AbortSignal,
  { clock, logger }: NodeDependencies,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { name, card } = await enrolment();
      await board.refresh({ signal });
      const own = board.entries('key').findLast(({ body }) => body.subject === identity.peerId);
      if (own?.body.action === 'revoke') return logger.error('the key of this party is revoked on the board');
      const isCurrent = own?.body.card !== undefined && equalBytes(own.body.card, card) && own.body.name === name;
      const action = own === undefined ? 'enrol' : 'rotate';
      if (!isCurrent)
        await board.publish('key', { action, subject: identity.peerId, name, card }, identity, { signal });
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('the card is not on the board yet', { code: errorCode(error) });
    }
    await sleep(clock, cardLookMs, { signal }).catch(() => {});
  }
}
