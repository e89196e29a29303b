import type { LinkSession, LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodePresences, encodeIds, encodePresenceSet } from '../wire/agents.ts';

/** `sinceMs`: the relay's clock; null: not known. */
export interface PresenceState {
  readonly address: InboxId;
  readonly isOnline: boolean;
  readonly sinceMs: number | null;
}

export type PresenceHandler = (presence: PresenceState) => void;

/** Who is online at any of the relays, told when that changes. */
export class PresenceWatch {
  readonly #watches = new Map<PresenceHandler, readonly InboxId[]>();
  readonly #sessions = new Map<string, { readonly session: LinkSession; stream: LinkStream | null }>();
  /** By relay: what it said last. */
  readonly #said = new Map<string, Map<InboxId, PresenceState>>();
  readonly #told = new Map<InboxId, boolean>();
  #isInvisible = false;

  useSession(relay: string, session: LinkSession): void {
    this.#sessions.set(relay, { session, stream: null });
    this.#said.set(relay, new Map());
    if (this.#isInvisible) this.#set(session);
    if (this.#watches.size > 0) this.#ask(relay);
  }

  /** The relay's word counts no more. */
  lost(relay: string, session: LinkSession): void {
    if (this.#sessions.get(relay)?.session !== session) return;
    this.#sessions.delete(relay);
    const said = this.#said.get(relay) ?? new Map<InboxId, PresenceState>();
    this.#said.delete(relay);
    for (const address of said.keys()) this.#tell(address);
  }

  setInvisible(isInvisible: boolean): void {
    this.#isInvisible = isInvisible;
    for (const { session } of this.#sessions.values()) this.#set(session);
  }

  #set(session: LinkSession): void {
    // Where it fails the session is over: the next one is told at its start.
    session.request('presence.set', encodePresenceSet(this.#isInvisible)).catch(() => {});
  }

  watch(addresses: readonly InboxId[], handler: PresenceHandler): Disposable {
    const own: PresenceHandler = (presence) => handler(presence);
    this.#watches.set(own, addresses);
    for (const relay of this.#sessions.keys()) this.#ask(relay);
    for (const address of addresses) {
      const state = this.#stateOf(address);
      if (this.#told.has(address)) own(state);
    }
    return { [Symbol.dispose]: () => void this.#watches.delete(own) };
  }

  #ask(relay: string): void {
    const at = this.#sessions.get(relay);
    if (at === undefined) return;
    const addresses = [...new Set([...this.#watches.values()].flat())];
    try {
      at.stream ??= this.#open(relay, at.session);
      at.stream.write(encodeIds(addresses));
    } catch {
      at.stream = null; // the session is over; the next one asks anew
    }
  }

  #open(relay: string, session: LinkSession): LinkStream {
    const stream = session.open('presence.watch');
    const over = () => {
      const at = this.#sessions.get(relay);
      if (at?.stream === stream) at.stream = null;
    };
    stream.consume((message) => {
      if (message === null) over();
      else this.#take(relay, message);
    }, over);
    return stream;
  }

  #take(relay: string, message: Uint8Array): void {
    const said = this.#said.get(relay);
    if (said === undefined) return;
    try {
      for (const presence of decodePresences(message)) {
        said.set(presence.address, presence);
        this.#tell(presence.address);
      }
    } catch {
      // Of no use; the next one may be.
    }
  }

  #stateOf(address: InboxId): PresenceState {
    const states = [...this.#said.values()].flatMap((said) => said.get(address) ?? []);
    return states.find(({ isOnline }) => isOnline) ?? states[0] ?? { address, isOnline: false, sinceMs: null };
  }

  #tell(address: InboxId): void {
    const state = this.#stateOf(address);
    if (this.#told.get(address) === state.isOnline) return;
    this.#told.set(address, state.isOnline);
    for (const [handler, addresses] of this.#watches) if (addresses.includes(address)) handler(state);
  }

  stop(): void {
    for (const { stream } of this.#sessions.values()) stream?.end();
    this.#sessions.clear();
    this.#said.clear();
    this.#watches.clear();
  }
}
