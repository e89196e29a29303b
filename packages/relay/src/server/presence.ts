import type { LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodePresenceSet, encodePresenceSet, encodePresences, type Presence } from '../wire/agents.ts';
import type { Agent, Agents } from './agents.ts';
import type { AgentSession } from './context.ts';
import { MalformedError } from './errors.ts';
import { FanOut, serveIds } from './fan-out.ts';

/** Who is online, told to those who name the address, as far as its owner shows it. */
export class PresenceBoard {
  readonly #watchers = new FanOut<PresenceWatcher>();

  /** An agent came, went, or changed whether it shows itself. */
  changed(agent: Agent): void {
    for (const watcher of this.#watchers.of(agent.address)) watcher.tell(presenceOf(agent.address, agent));
  }

  serveWatch({ context }: AgentSession, stream: LinkStream): void {
    const listener = new PresenceWatcher(stream);
    const onNamed = (addresses: readonly InboxId[]) => {
      for (const address of addresses) listener.tell(presenceFrom(context.agents, address));
    };
    serveIds(this.#watchers, stream, { method: 'presence.watch', listener, context, onNamed });
  }

  async serveSet({ agent }: AgentSession, stream: LinkStream): Promise<void> {
    const message = await stream.receive();
    if (message === null) throw new MalformedError();
    try {
      agent.isInvisible = decodePresenceSet(message);
    } catch (error) {
      throw new MalformedError(error);
    }
    this.changed(agent);
    await stream.send(encodePresenceSet(agent.isInvisible));
    stream.end();
  }
}

function presenceFrom(agents: Agents, address: InboxId): Presence {
  return presenceOf(address, agents.find(address));
}

function presenceOf(address: InboxId, agent: Agent | undefined): Presence {
  if (agent === undefined || agent.isInvisible) return { address, isOnline: false, sinceMs: null };
  return { address, isOnline: agent.isOnline, sinceMs: agent.sinceMs };
}

/** Holds the newest state of each address until the stream has room: bounded by what is watched. */
class PresenceWatcher {
  readonly #stream: LinkStream;
  readonly #news = new Map<InboxId, Presence>();
  #isBlocked = false;
  #isAsked = false;

  constructor(stream: LinkStream) {
    this.#stream = stream;
    stream.onDrain(() => {
      this.#isBlocked = false;
      this.#flush();
    });
  }

  tell(presence: Presence): void {
    this.#news.set(presence.address, presence);
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#isBlocked || this.#news.size === 0) return;
    const presences = [...this.#news.values()];
    this.#news.clear();
    try {
      this.#isBlocked = !this.#stream.write(encodePresences(presences));
    } catch {
      this.#isBlocked = true; // the stream is over; its end is told elsewhere
    }
  }
}
