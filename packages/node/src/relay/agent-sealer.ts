import { statSync } from 'node:fs';
import type { Identity } from '@pulsemesh/identity';
import { createEnvelopeSealer, type Sealer } from '@pulsemesh/relay/client';
import type { PeerId } from '@pulsemesh/wire';
import type { NodeDependencies } from '../process/node-context.ts';
import type { AgentPeer } from './agent-contacts.ts';

/** Whose messages are taken, and with which keys they seal: cards in a folder, or the keys on a board. */
export interface ContactBook {
  /** Who sent with this key; null: nobody who is known. */
  byKey(publicKey: Uint8Array): AgentPeer | null;
  /** Whether the newest card known of the sender shows this sealing key. */
  isSenderKeyAccepted(sender: PeerId, sealingKey: Uint8Array): boolean;
  /** Looks for what is new; true when there was something. */
  reloadIfChanged(): Promise<boolean>;
}

/** The identity of an agent, whose sealing keys change while it is used. */
export class LiveIdentity {
  readonly #file: string;
  readonly #read: (() => Promise<Identity>) | null;
  #current: Identity;
  #seen: string;

  /** `read`: reads it again and replaces the sealing key when that is due; null: it stays as it is. */
  constructor(identity: Identity, options: { readonly file: string; readonly read: (() => Promise<Identity>) | null }) {
    this.#file = options.file;
    this.#read = options.read;
    this.#current = identity;
    this.#seen = this.#state();
  }

  get current(): Identity {
    return this.#current;
  }

  /** @throws as `read`. */
  async refresh(): Promise<void> {
    if (this.#read === null) return;
    const identity = await this.#read();
    this.#seen = this.#state();
    // Another key is another agent: that one begins with the next start.
    if (identity.peerId === this.#current.peerId) this.#current = identity;
  }

  /** The same where somebody changed its file; true when they did. */
  async refreshIfChanged(): Promise<boolean> {
    if (this.#read === null || this.#state() === this.#seen) return false;
    await this.refresh();
    return true;
  }

  #state(): string {
    const facts = statSync(this.#file, { throwIfNoEntry: false });
    return facts === undefined ? 'none' : `${facts.ino} ${facts.mtimeMs}`;
  }
}

/**
 * Seals as `identity`, and opens what contacts sealed to it. What does not open is tried once more after contacts and identity
 * were read again, where they changed: `pulsemesh identity` may have changed them meanwhile.
 */
export function createAgentSealer(
  { identity, contacts }: { readonly identity: LiveIdentity; readonly contacts: ContactBook },
  deps: NodeDependencies,
): Sealer<AgentPeer> {
  const live = {
    get publicKey() {
      return identity.current.publicKey;
    },
    get sealing() {
      return identity.current.sealing;
    },
    get sealingKeys() {
      return identity.current.sealingKeys;
    },
    sign: (message: Uint8Array) => identity.current.sign(message),
  };
  const sealer = createEnvelopeSealer<AgentPeer>(
    {
      identity: live,
      contactOf: (publicKey) => contacts.byKey(publicKey),
      isSenderKeyAccepted: (sender, sealingKey) => contacts.isSenderKeyAccepted(sender, sealingKey),
    },
    deps,
  );
  return {
    ...sealer,
    async open(envelope) {
      try {
        return await sealer.open(envelope);
      } catch (error) {
        const isNew = [await contacts.reloadIfChanged(), await identity.refreshIfChanged()].includes(true);
        if (isNew) return await sealer.open(envelope);
        throw error;
      }
    },
  };
}
