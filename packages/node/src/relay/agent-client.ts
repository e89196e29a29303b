import { join } from 'node:path';
import { type Box, createBox, hkdfSha256 } from '@pulsemesh/crypto';
import { type CardRelay, type Identity, identityFileNames } from '@pulsemesh/identity';
import type { Link } from '@pulsemesh/link';
import {
  connectRelay,
  createTableInboxState,
  createTableOutbox,
  createTablePairs,
  type RelayClient,
} from '@pulsemesh/relay/client';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { refreshDaily } from '../process/fresh-identity.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { CardKeeper } from './agent-card.ts';
import type { AgentPeer } from './agent-contacts.ts';
import { type ContactBook, createAgentSealer, LiveIdentity } from './agent-sealer.ts';
import type { AgentUse } from './agent-store.ts';

/** An agent's mailbox and streams at its relay. */
export type AgentClient = RelayClient<AgentPeer, readonly TableChange[]>;

export interface AgentClientOptions {
  readonly dataDirectory: string;
  readonly use: AgentUse;
  readonly link: Link;
  readonly relay: CardRelay;
  /** Whom it writes to and takes messages from. */
  readonly contacts: ContactBook;
  /** Marks of the client's messages are to be committed here; closed by the caller, after the client. */
  readonly store: TableStore;
  readonly identity: Identity;
  /** Reads the identity again; called once a day. Null: it stays. */
  readonly readIdentity: (() => Promise<Identity>) | null;
  /** False where the link is also the network's, which takes its streams. Default true. */
  readonly takesStreams?: boolean;
}

/**
 * Puts an agent's mailboxes and its contact card over a link: the card is kept current and its mailboxes read where it receives. All ends
 * with `stack`. `cardCurrent` as of `RunningAgent`.
 */
export async function connectAgent(
  options: AgentClientOptions,
  deps: NodeDependencies,
  stack: AsyncDisposableStack,
): Promise<{ readonly client: AgentClient; readonly cardCurrent: Promise<void> }> {
  const { dataDirectory, use, link, relay, contacts, store, identity, readIdentity, takesStreams = true } = options;
  const at = (name: string) => join(dataDirectory, name);
  const live = new LiveIdentity(identity, { file: at(identityFileNames.identity), read: readIdentity });
  const inboxState = createTableInboxState(store, deps);
  const card = new CardKeeper({ file: at(identityFileNames.card), relay, identity: live }, inboxState, deps);
  stack.use(card);
  const receives = use !== 'send';
  const client: AgentClient = stack.use(
    await connectRelay<AgentPeer, readonly TableChange[]>(
      {
        relays: [{ name: relay.peerId, link }],
        identity,
        takesStreams,
        sealer: createAgentSealer({ identity: live, contacts }, deps),
        inboxState: card.inboxState,
        ...(use === 'receive' ? {} : { outbox: createTableOutbox(store) }),
        // Only where this process reads: two that seal in one session would use its keys twice, and one process reads at a time.
        ...(receives ? { pairs: createTablePairs(store, { box: pairBoxOf(identity, deps) }) } : {}),
        ...(receives ? { inboxes: card.tokens() } : {}),
      },
      deps,
    ),
  );
  if (receives) {
    card.claimWith(client);
    const renew = () => live.refresh().then(() => card.look());
    stack.use(refreshDaily(renew, deps));
  }
  return { client, cardCurrent: card.current };
}

/** Seals the agent's pair sessions on its disk. */
function pairBoxOf({ nodeBoxKey }: Identity, deps: NodeDependencies): Box {
  return createBox(hkdfSha256({ key: nodeBoxKey, info: 'pulsemesh/pairs-secret/1', length: 32 }), deps);
}
