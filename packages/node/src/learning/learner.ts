import { join } from 'node:path';
import type { BoardClient } from '@pulsemesh/board/client';
import { type Gossip, startGossip } from '@pulsemesh/board/client';
import { formatVerifierKey } from '@pulsemesh/board/verify';
import { type Box, createBox, hkdfSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { createRelayPost, type Enrolment, openParties, type Parties } from '@pulsemesh/learning';
import type { TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';
import { type BoardAgentOptions, startBoardAgent } from './board-agent.ts';
import { companyOf, createLearnerMail } from './board-gossip.ts';
import { OnItsWay } from './on-its-way.ts';

export type LearnerOptions = Omit<BoardAgentOptions, 'readIdentity' | 'followMs'>;

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
  const { dataDirectory, identity } = options;
  await using stack = new AsyncDisposableStack();
  const agent = await startBoardAgent({ ...options, readIdentity: null, followMs }, deps, stack);
  const { board, client, contacts, enrolment, store } = agent;
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

/** Seals the journal of a party's runs on its disk. */
function journalBoxOf({ nodeBoxKey }: Identity, deps: NodeDependencies): Box {
  return createBox(hkdfSha256({ key: nodeBoxKey, info: 'pulsemesh/learning-journal/1', length: 32 }), deps);
}

/** A round has four words on the board, and each waits for the one before. */
const followMs = 1_000;
