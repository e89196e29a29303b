import { errorCode, type Logger, type Random } from '@pulsemesh/base';
import type { Board } from '@pulsemesh/board';
import { type GossipChannel, gossipLimits } from '@pulsemesh/board/client';
import type { RelayPostOptions } from '@pulsemesh/learning';
import type { RelayClient } from '@pulsemesh/relay/client';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, equalBytes, type PeerId } from '@pulsemesh/wire';
import type { AgentPeer } from '../relay/agent-contacts.ts';

/** Limits of what goes round about a board among learners. */
export const boardGossipLimits = {
  /** Others that one head is shown to, chosen anew each time: over many heads everybody meets everybody. */
  peersPerHeadMax: 3,
  /** Others that are told when the board lied. */
  peersOfEvidenceMax: 64,
  /** A head is worth nothing once the next one is out. */
  headSeconds: 600,
} as const;

/** Tells these messages from a party's, which are arrays in CBOR. */
const label = new TextEncoder().encode('pulsemesh/board-gossip/1\0');
/** What a message of gossip begins with where it holds evidence. */
const evidenceKind = 2;

type Client = RelayClient<AgentPeer, readonly TableChange[]>;

/** A learner's mailbox, for two uses. */
export interface LearnerMail {
  /** Everything that is not gossip. */
  readonly client: RelayPostOptions['client'];
  readonly gossip: GossipChannel;
}

/** Shares a learner's mailbox between its parties and the gossip about its board, whose messages go to some of `company()`. */
export function createLearnerMail(
  {
    client,
    contactOf,
    company,
    store,
  }: {
    readonly client: Pick<Client, 'send' | 'receive'>;
    readonly contactOf: (peer: PeerId) => AgentPeer | null;
    readonly company: () => readonly PeerId[];
    /** Of the client's inbox state. */
    readonly store: TableStore;
  },
  { random, logger }: { readonly random: Random; readonly logger: Logger },
): LearnerMail {
  const listeners = new Set<(message: Uint8Array) => void>();
  return {
    client: {
      send: (to, bytes, options) => client.send(to as AgentPeer, bytes, options), // as `contactOf` gave it
      receive: (handler) =>
        client.receive(async (message, mark) => {
          if (!isGossip(message.bytes)) return handler(message, mark);
          // Longer ones were never sent by this program.
          const said = message.bytes.subarray(label.length, label.length + gossipLimits.messageBytesMax + 1);
          for (const listen of listeners) listen(said);
          await store.commit(mark);
          return 'marked';
        }),
    },
    gossip: {
      async send(message) {
        const isEvidence = message[0] === evidenceKind;
        const { peersPerHeadMax, peersOfEvidenceMax, headSeconds } = boardGossipLimits;
        const peers = shuffled(company(), random).slice(0, isEvidence ? peersOfEvidenceMax : peersPerHeadMax);
        const options = { receipts: false, ...(isEvidence ? {} : { ttlSeconds: headSeconds }) };
        for (const contact of peers.map(contactOf).filter((one) => one !== null)) {
          const { stored } = await client.send(contact, concatBytes(label, message), options);
          stored.catch((error: unknown) => logger.debug('gossip was not delivered', { code: errorCode(error) }));
        }
      },
      onMessage(handler) {
        listeners.add(handler);
        return { [Symbol.dispose]: () => void listeners.delete(handler) };
      },
    },
  };
}

/** Whom `self` is, or was, in a task with: who publishes, who sums, who signed. */
export function companyOf(board: Pick<Board, 'entries'>, self: PeerId): readonly PeerId[] {
  const parties = new Map<string, Set<PeerId>>();
  for (const { id, author, body } of board.entries('task')) {
    parties.set(id, new Set(body.aggregator === null ? [author] : [author, body.aggregator]));
  }
  for (const { author, body } of board.entries('contract')) parties.get(body.task)?.add(author);
  const company = new Set<PeerId>();
  for (const task of parties.values()) if (task.has(self)) for (const peer of task) company.add(peer);
  company.delete(self);
  return [...company];
}

function isGossip(bytes: Uint8Array): boolean {
  return bytes.length > label.length && equalBytes(bytes.subarray(0, label.length), label);
}

function shuffled(peers: readonly PeerId[], random: Random): PeerId[] {
  const order = [...peers];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.integer(last + 1);
    [order[last], order[other]] = [order[other] as PeerId, order[last] as PeerId]; // within
  }
  return order;
}
