import { readFileSync } from 'node:fs';
import type { BoardClient } from '@pulsemesh/board/client';
import { parsePolicyFile } from '@pulsemesh/board/client';
import { type Box, createBox, hkdfSha256 } from '@pulsemesh/crypto';
import { createRelayPost } from '@pulsemesh/learning';
import type { Post } from '@pulsemesh/ledger';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { ConsentSettings } from '../config/consent-settings.ts';
import { startBoardAgent } from '../learning/board-agent.ts';
import type { NodeContext } from '../process/node-context.ts';
import { loadNodeIdentity } from '../process/node-identity.ts';

/** How others reach an office, and it them. */
export interface OfficeAgent {
  readonly post: Post<readonly TableChange[]>;
  readonly board: BoardClient;
  /** Durable tables; what an office keeps is committed with the marks of its messages. */
  readonly store: TableStore;
  /** Seals what an office keeps. */
  readonly box: Box;
  /** Under what name a peer stands on the board; null: it does not, or no more. */
  nameOf(peer: PeerId): string | null;
}

const followMs = 2_000;

/**
 * Makes the node an agent of its first relay, under its own key, over the session it has there: its card on the board, its mailbox. Ends
 * with the context. @throws {AgentBusyError}; {PolicyFileError}; what the file system says.
 */
export async function startOfficeAgent(context: NodeContext, settings: ConsentSettings): Promise<OfficeAgent> {
  const { config, secrets, deps, identity, relays, stack } = context;
  if (relays === null) throw new TypeError('an office without a relay'); // parseNodeConfig refuses it
  const { relay, link } = relays.first;
  const { contacts, client, board, store } = await startBoardAgent(
    {
      dataDirectory: config.dataDirectory,
      organisation: settings.organisation,
      identity,
      readIdentity: () => loadNodeIdentity(config, secrets, deps),
      relay,
      link,
      takesStreams: false,
      board: parsePolicyFile(readFileSync(settings.boardFile, 'utf8')),
      network: networkOf(context, settings),
      followMs,
    },
    deps,
    stack,
  );
  const box = createBox(hkdfSha256({ key: identity.nodeBoxKey, info: 'pulsemesh/consent/1', length: 32 }), deps);
  return {
    post: createRelayPost({ self: identity.peerId, client, contactOf: (peer) => contacts.byPeer(peer) }),
    board,
    store,
    box,
    nameOf(peer) {
      const last = board.entries('key').findLast(({ body }) => body.subject === peer);
      return last === undefined || last.body.action === 'revoke' ? null : (last.body.name ?? null);
    },
  };
}

/** The way out of the building, as the relay's session takes it. */
function networkOf({ config }: NodeContext, { boardCaFile }: ConsentSettings) {
  const [first] = config.relays;
  const caFiles = [first?.caFile, boardCaFile].filter((file) => file !== undefined);
  return {
    ...(first?.proxy === undefined ? {} : { proxy: { kind: 'fixed', url: first.proxy } as const }),
    ...(first?.proxyCredentialsFile === undefined ? {} : { proxyCredentialsFile: first.proxyCredentialsFile }),
    ...(caFiles.length === 0 ? {} : { trust: { caFiles } }),
  };
}
