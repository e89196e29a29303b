import { statSync } from 'node:fs';
import { sep } from 'node:path';
import { type Clock, Condition, errorCode, type Logger, type Random } from '@pulsemesh/base';
import {
  assertCurrentCard,
  type CardDirectory,
  type ContactCard,
  inboxAt,
  openCardDirectory,
  readCardFile,
} from '@pulsemesh/identity';
import { type AgentContact, inboxIdOf } from '@pulsemesh/relay/client';
import { equalBytes, type PeerId, parsePeerId, peerIdOfEd25519 } from '@pulsemesh/wire';

/** Another agent, as its contact card says. */
export interface AgentPeer extends AgentContact {
  readonly card: ContactCard;
}

/** Nobody is known by that name, or their card has expired. */
export class UnknownContactError extends Condition {
  override readonly name = 'UnknownContactError';
  constructor() {
    super('contact-unknown', 'there is no such card file, and no contact of that name whose card is good');
  }
}

/** The recipient's card names relays, and this agent's is none of them. */
export class OtherRelayError extends Condition {
  override readonly name = 'OtherRelayError';
  constructor() {
    super('other-relay', 'the recipient does not read at the relay of this agent');
  }
}

interface ContactsDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whom an agent writes to and takes messages from: the cards of its data directory. */
export class AgentContacts {
  readonly #folder: string;
  readonly #directory: CardDirectory;
  readonly #deps: ContactsDependencies;
  #seen: string;

  private constructor(folder: string, directory: CardDirectory, deps: ContactsDependencies) {
    this.#folder = folder;
    this.#directory = directory;
    this.#deps = deps;
    this.#seen = stateOf(folder);
  }

  /** Opens the folder of cards, made when missing. @throws {CardDirectoryError} */
  static async open(folder: string, deps: ContactsDependencies): Promise<AgentContacts> {
    return new AgentContacts(folder, await openCardDirectory(folder, deps), deps);
  }

  /**
   * Whom `to` means: a card file (its card is kept), a name among the contacts, or a peer id.
   * @throws {UnknownContactError}; {StatementRefusedError}; {CardDirectoryError}; {IdentityFileError}.
   */
  async find(to: string): Promise<AgentPeer> {
    const isFile = to.includes(sep) || to.includes('/') || to.endsWith('.card');
    const known = isFile ? null : (this.#directory.findByName(to) ?? this.#byPeer(to));
    const card = known ?? (await this.#fromFile(to));
    if (card === null) throw new UnknownContactError();
    return this.#peer(card);
  }

  /**
   * Who sent with this key; null: nobody who is known. An expired card still says whose key it is; a key that was succeeded
   * speaks for nobody any more: it may have been taken.
   */
  byKey(publicKey: Uint8Array): AgentPeer | null {
    const card = this.#cardOf(peerIdOfEd25519(publicKey));
    return card !== null && equalBytes(card.publicKey, publicKey) ? this.#peer(card) : null;
  }

  /** Whether the newest card known of the sender shows this sealing key. */
  isSenderKeyAccepted(sender: PeerId, sealingKey: Uint8Array): boolean {
    const card = this.#cardOf(sender);
    return card !== null && equalBytes(card.sealingKey, sealingKey);
  }

  /** Reads the folder again where somebody changed it; true when it did. @throws {CardDirectoryError} */
  async reloadIfChanged(): Promise<boolean> {
    if (stateOf(this.#folder) === this.#seen) return false;
    await this.#directory.reload();
    this.#seen = stateOf(this.#folder); // reading writes too
    return true;
  }

  #cardOf(peer: PeerId): ContactCard | null {
    return this.#directory.find(peer) ?? this.#directory.list().find((card) => card.peerId === peer) ?? null;
  }

  #byPeer(text: string): ContactCard | null {
    try {
      return this.#directory.find(parsePeerId(text));
    } catch {
      return null; // a name, then
    }
  }

  async #fromFile(file: string): Promise<ContactCard | null> {
    const card = await readCardFile(file);
    if (card === null) return null;
    assertCurrentCard(card, this.#deps.clock);
    try {
      await this.#directory.add(card);
    } catch (error) {
      // The newer one that is known serves better.
      if (errorCode(error) !== 'statement-older') throw error;
    }
    return this.#directory.find(card.peerId);
  }

  #peer(card: ContactCard): AgentPeer {
    return peerOfCard(card, this.#deps.clock.now());
  }
}

/** An agent as its card describes it at `nowMs`. */
export function peerOfCard(card: ContactCard, nowMs: number): AgentPeer {
  const { publicKey, sealingKey, hybridKey } = card;
  const inbox = inboxAt(card, nowMs);
  return {
    card,
    publicKey,
    sealingKey,
    ...(hybridKey === undefined ? {} : { hybridKey }),
    ...(inbox === null ? {} : { inbox: inboxIdOf(inbox.id) }),
  };
}

/** @throws {OtherRelayError} unless the peer reads at this relay, as far as its card says. */
export function assertReadsAt({ card }: AgentPeer, relay: PeerId): void {
  const isThere = card.relays.length === 0 || card.relays.some(({ peerId }) => peerId === relay);
  if (!isThere) throw new OtherRelayError();
}

function stateOf(folder: string): string {
  return String(statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 'none');
}
