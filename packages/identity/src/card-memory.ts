import { ed25519KeyOf, encodeCbor, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import { type ContactCard, statementHash } from './card.ts';
import { CardDirectoryError, StatementRefusedError } from './errors.ts';
import { bytesOf, integerOf, listOf, mapOf } from './fields.ts';
import { verifySuccession } from './succession.ts';

/** Limits of what is remembered about peers; past them a card of a new peer is refused, known ones go on. */
export const cardMemoryLimits = { peersMax: 10_000, namesPerPeerMax: 4, bytesMax: 32 * 1024 * 1024 } as const;

/** The newest card known of a peer, by number and hash. */
interface Known {
  readonly version: number;
  /** Hex. */
  readonly hash: string;
  /** Names it was seen under, oldest first, as {@link nameKey} gives them. */
  readonly names: readonly string[];
  /** Its owner here gave it a name: what it calls itself counts no more. */
  readonly isNamed: boolean;
}

/** What a card is to somebody who remembers. */
export type CardVerdict = 'new' | 'newer' | 'same';

/** A card that speaks against what is known. Evidence: both sides are signed. */
export type CardReport =
  | {
      /** Two cards of one peer and one version: it tells different people different things. */
      readonly kind: 'equivocation';
      readonly peerId: PeerId;
      readonly version: number;
      readonly offered: ContactCard;
    }
  | {
      /** A known name with another key: an error, or somebody in between. */
      readonly kind: 'changed-key';
      readonly pinned: PeerId;
      readonly offered: ContactCard;
    }
  | {
      /** A key that named two successors. */
      readonly kind: 'competing-succession';
      readonly pinned: PeerId;
      readonly offered: ContactCard;
    };

/**
 * What must be remembered about cards so that nobody is fooled: the greatest version of each peer, which key a name belongs to, who succeeded
 * whom. No I/O; the directory keeps it on disk.
 */
export class CardMemory {
  readonly #peers = new Map<PeerId, Known>();
  readonly #names = new Map<string, PeerId>();
  readonly #successors = new Map<PeerId, { readonly to: PeerId; readonly bytes: Uint8Array }>();

  readonly #peersMax: number;

  constructor(options: { readonly peersMax?: number } = {}) {
    this.#peersMax = options.peersMax ?? cardMemoryLimits.peersMax;
  }

  /**
   * Judges a card and remembers it. `name`: what it is to be known by here instead of what it calls itself. A refused card changes
   * nothing.
   * @throws {StatementRefusedError} `statement-older`, `statement-conflict`; {@link CardDirectoryError}.
   */
  take(card: ContactCard, name: string | null, report: (report: CardReport) => void): CardVerdict {
    const verdict = this.#compare(card, report);
    const former = this.#formerOf(card, report);
    const known = this.#peers.get(card.peerId);
    const isNamed = name !== null || known?.isNamed === true;
    const key = isNamed ? nameKey(name, null) : nameKey(card.name, card.organisation);
    const pinned = key === null ? undefined : this.#names.get(key);
    const holder = pinned === undefined ? card.peerId : this.currentOf(pinned);
    if (holder !== card.peerId && holder !== former) {
      report({ kind: 'changed-key', pinned: holder, offered: card });
      throw new CardDirectoryError('card-key-changed');
    }
    if (known === undefined && this.#peers.size >= this.#peersMax) throw new CardDirectoryError('card-directory-full');
    if (former !== null) this.#inherit(former, card);
    this.#remember(card, key, isNamed);
    return verdict;
  }

  /** Who holds the key today that `peer` was; `peer` itself where nobody succeeded it. */
  currentOf(peer: PeerId): PeerId {
    let current = peer;
    // A ring cannot be made: who has a successor takes no card, and so succeeds nobody any more.
    for (let step = 0; step < cardMemoryLimits.peersMax; step += 1) {
      const next = this.#successors.get(current);
      if (next === undefined) return current;
      current = next.to;
    }
    return current;
  }

  /** The key a name is pinned to, or null. */
  peerNamed(name: string, organisation: string | null): PeerId | null {
    const peer = this.#names.get(nameKey(name, organisation) ?? '');
    return peer === undefined ? null : this.currentOf(peer);
  }

  encode(): Uint8Array {
    return encodeCbor({
      v: 1,
      peers: [...this.#peers].map(([peer, { version, hash, names, isNamed }]) => [
        ed25519KeyOf(peer),
        version,
        hash,
        names,
        isNamed,
      ]),
      successions: [...this.#successors.values()].map(({ bytes }) => bytes),
    });
  }

  /** @throws {CardDirectoryError} `card-directory-damaged`. */
  static decode(bytes: Uint8Array): CardMemory {
    const memory = new CardMemory();
    try {
      const map = mapOf(bytes, ['v', 'peers', 'successions'], { bytesMax: cardMemoryLimits.bytesMax, depthMax: 4 });
      integerOf(map['v'], 1, 1);
      for (const row of listOf(map['peers'], 0, cardMemoryLimits.peersMax)) memory.#readPeer(row);
      for (const entry of listOf(map['successions'], 0, cardMemoryLimits.peersMax)) {
        if (!(entry instanceof Uint8Array)) throw new TypeError('succession');
        const succession = verifySuccession(entry);
        memory.#successors.set(succession.from, { to: succession.to, bytes: entry });
      }
    } catch (error) {
      throw new CardDirectoryError('card-directory-damaged', { cause: error });
    }
    return memory;
  }

  #readPeer(row: unknown): void {
    const [key, version, hash, names, isNamed] = listOf(row, 5, 5);
    if (typeof hash !== 'string' || typeof isNamed !== 'boolean') throw new TypeError('peer');
    const peer = peerIdOfEd25519(bytesOf(key, 32));
    const texts = listOf(names, 0, cardMemoryLimits.namesPerPeerMax).map((name) => {
      if (typeof name !== 'string') throw new TypeError('name');
      return name;
    });
    this.#peers.set(peer, { version: integerOf(version, 1), hash, names: texts, isNamed });
    for (const name of texts) this.#names.set(name, peer);
  }

  #compare(card: ContactCard, report: (report: CardReport) => void): CardVerdict {
    if (this.#successors.has(card.peerId)) throw new CardDirectoryError('card-succeeded');
    const known = this.#peers.get(card.peerId);
    if (known === undefined) return 'new';
    if (card.version < known.version) throw new StatementRefusedError('card', 'statement-older');
    if (card.version > known.version) return 'newer';
    if (hashOf(card) === known.hash) return 'same';
    report({ kind: 'equivocation', peerId: card.peerId, version: card.version, offered: card });
    throw new StatementRefusedError('card', 'statement-conflict');
  }

  /** The known peer that this card's holder was before, where the card proves it. */
  #formerOf(card: ContactCard, report: (report: CardReport) => void): PeerId | null {
    const { succession } = card;
    if (succession === null) return null;
    const other = this.#successors.get(succession.from);
    if (other !== undefined && other.to !== card.peerId) {
      report({ kind: 'competing-succession', pinned: other.to, offered: card });
      throw new CardDirectoryError('card-succession-conflict');
    }
    return this.#peers.has(succession.from) ? succession.from : null;
  }

  #inherit(former: PeerId, card: ContactCard): void {
    const bytes = card.successionBytes;
    if (bytes === null || this.#successors.has(former)) return;
    this.#successors.set(former, { to: card.peerId, bytes });
  }

  #remember(card: ContactCard, name: string | null, isNamed: boolean): void {
    const before = this.#peers.get(card.peerId)?.names ?? [];
    const names = name === null ? before : [...before.filter((one) => one !== name), name];
    const kept = names.slice(-cardMemoryLimits.namesPerPeerMax);
    for (const dropped of names) {
      if (!kept.includes(dropped)) this.#names.delete(dropped);
    }
    if (name !== null) this.#names.set(name, card.peerId);
    this.#peers.set(card.peerId, { version: card.version, hash: hashOf(card), names: kept, isNamed });
  }
}

function hashOf(card: ContactCard): string {
  return toHex(statementHash(card.bytes));
}

/** Names that look alike by case, width or spaces are one name. Null: no name, nothing to pin. */
function nameKey(name: string | null, organisation: string | null): string | null {
  if (name === null) return null;
  const plain = (text: string) => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
  return organisation === null ? plain(name) : `${plain(name)}\n${plain(organisation)}`;
}
