import { type Clock, errorCode, type Logger } from '@pulsemesh/base';
import type { Board } from '@pulsemesh/board';
import { type ContactCard, parseCard } from '@pulsemesh/identity';
import { equalBytes, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { type AgentPeer, peerOfCard } from '../relay/agent-contacts.ts';
import type { ContactBook } from '../relay/agent-sealer.ts';

/** How long a card that was followed by another is still taken from: messages sealed under it may be on their way. */
const cardsKeptPerPeer = 3;

/**
 * Whom a party of a learning run writes to: the cards of the board's key entries, the same for everybody who follows the board. Who
 * revoked their key, or had it revoked, is nobody any more.
 */
export class BoardContacts implements ContactBook, Disposable {
  readonly #board: Board;
  readonly #clock: Clock;
  /** Newest first. */
  readonly #cards = new Map<PeerId, readonly ContactCard[]>();
  readonly #following: Disposable;

  constructor(board: Board, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#board = board;
    this.#clock = clock;
    this.#following = board.onEntry((entry) => {
      if (entry.kind !== 'key') return;
      const { subject, action, card } = entry.body;
      if (action === 'revoke' || card === undefined) {
        this.#cards.delete(subject);
        return;
      }
      try {
        const parsed = parseCard(card);
        if (parsed.peerId !== subject) return;
        this.#cards.set(subject, [parsed, ...(this.#cards.get(subject) ?? [])].slice(0, cardsKeptPerPeer));
      } catch (error) {
        logger.warn('a key entry holds no contact card', { code: errorCode(error), index: entry.index });
      }
    });
  }

  /** Null: the board has no card of this peer. */
  byPeer(peer: PeerId): AgentPeer | null {
    const card = this.#cards.get(peer)?.[0];
    return card === undefined ? null : peerOfCard(card, this.#clock.now());
  }

  byKey(publicKey: Uint8Array): AgentPeer | null {
    return this.byPeer(peerIdOfEd25519(publicKey));
  }

  isSenderKeyAccepted(sender: PeerId, sealingKey: Uint8Array): boolean {
    return (this.#cards.get(sender) ?? []).some((card) => equalBytes(card.sealingKey, sealingKey));
  }

  async reloadIfChanged(): Promise<boolean> {
    const before = this.#board.size;
    // Whoever seals to us may be on the board since a moment.
    await this.#board.refresh().catch(() => {});
    return this.#board.size !== before;
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }
}
