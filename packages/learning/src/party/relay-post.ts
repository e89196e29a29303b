import { Condition } from '@pulsemesh/base';
import type { AgentContact, RelayClient } from '@pulsemesh/relay/client';
import type { TableChange } from '@pulsemesh/store';
import { ed25519KeyOf, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { Post } from './party.ts';

/** The board does not show a key in use, with a card that is current, for whom something is to be sent. Tried again later. */
export class NoCardError extends Condition {
  override readonly name = 'NoCardError';
  constructor() {
    super('no-card', 'the board shows no current card of the recipient', { retryable: true });
  }
}

export interface RelayPostOptions {
  /**
   * With an outbox and an inbox state in the store of the parties (`createTableOutbox`, `createTableInboxState`), and sealing to the board's
   * contacts. The post is its one receiver.
   */
  readonly client: Pick<RelayClient<AgentContact, readonly TableChange[]>, 'send' | 'receive'>;
  readonly self: PeerId;
  /** As the board shows them: everybody seals to the same keys. Null: not enrolled, revoked, or without a card. */
  readonly contactOf: (peer: PeerId) => AgentContact | null;
}

/** The post over relays: mailboxes for whoever is away, sealed end to end and padded. The client is not disposed with it. */
export function createRelayPost({ client, self, contactOf }: RelayPostOptions): Post<readonly TableChange[]> {
  return {
    self,
    async send(to, bytes) {
      const contact = contactOf(to);
      if (contact === null || ed25519KeyOf(to) === null) throw new NoCardError();
      const { stored } = await client.send(contact, bytes, { receipts: false });
      // It is in the outbox for good; that no relay ever takes it shows as an absent party.
      stored.catch(() => {});
    },
    receive(handler) {
      client.receive(({ from, bytes }, mark) => handler(peerIdOfEd25519(from.publicKey), bytes, mark));
    },
  };
}
