import { type Clock, Condition } from '@pulsemesh/base';
import type { Board } from '@pulsemesh/board';
import { KeyDirectory } from '@pulsemesh/board';
import { assertCurrentCard, type ContactCard, parseCard } from '@pulsemesh/identity';
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

/** The contacts that a board shows: everybody seals to the same keys, and nobody to one that was revoked. */
export interface BoardContacts extends Disposable {
  /** Null: not enrolled, revoked, or without a card that is current. */
  contactOf(peer: PeerId): AgentContact | null;
  /** For `createEnvelopeSealer`. */
  contactOfKey(publicKey: Uint8Array): AgentContact | null;
}

/** Reads contacts off the key entries of a board, as long as it is not disposed. Cards of others than they are about count as none. */
export function createBoardContacts(
  board: Pick<Board, 'onEntry'>,
  dependencies: { readonly clock: Clock },
): BoardContacts {
  const directory = new KeyDirectory(board);
  const parsed = new WeakMap<Uint8Array, ContactCard | null>();
  const cardOf = (bytes: Uint8Array): ContactCard | null => {
    const known = parsed.get(bytes);
    if (known !== undefined) return known;
    const card = readCard(bytes);
    parsed.set(bytes, card);
    return card;
  };
  const contactOf = (peer: PeerId): AgentContact | null => {
    const key = directory.keyOf(peer);
    const card = key?.card == null ? null : cardOf(key.card);
    return card !== null && card.peerId === peer && isCurrent(card, dependencies.clock) ? card : null;
  };
  return {
    contactOf,
    contactOfKey: (publicKey) => (publicKey.length === 32 ? contactOf(peerIdOfEd25519(publicKey)) : null),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

function readCard(bytes: Uint8Array): ContactCard | null {
  try {
    return parseCard(bytes);
  } catch {
    return null; // whoever enrolled it cannot be written to, until there is another
  }
}

function isCurrent(card: ContactCard, clock: Clock): boolean {
  try {
    assertCurrentCard(card, clock);
    return true;
  } catch {
    return false;
  }
}

export interface RelayPostOptions {
  /**
   * With an outbox and an inbox state in the store of the parties (`createTableOutbox`, `createTableInboxState`), and sealing to the board's
   * contacts. The post is its one receiver.
   */
  readonly client: Pick<RelayClient<AgentContact, readonly TableChange[]>, 'send' | 'receive'>;
  readonly self: PeerId;
  readonly contacts: Pick<BoardContacts, 'contactOf'>;
}

/** The post over relays: mailboxes for whoever is away, sealed end to end and padded. The client is not disposed with it. */
export function createRelayPost({ client, self, contacts }: RelayPostOptions): Post<readonly TableChange[]> {
  return {
    self,
    async send(to, bytes) {
      const contact = contacts.contactOf(to);
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
