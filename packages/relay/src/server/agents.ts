import type { Clock } from '@pulsemesh/base';
import type { LinkSession } from '@pulsemesh/link';
import { addressOfKey, type InboxId } from '../inbox-id.ts';
import { SessionLeftError, SessionReplacedError } from './errors.ts';
import type { RelayLimits } from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

/** One agent, as long as it has a session. */
export interface Agent {
  readonly address: InboxId;
  readonly publicKey: Uint8Array;
  /** Oldest first. */
  readonly sessions: Set<LinkSession>;
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
  /** Resolves when its address is claimed (or could not be). */
  ready: Promise<void>;
  peerStreams: number;
  /** Claims and releases under way. */
  claiming: number;
  isInvisible: boolean;
  isOnline: boolean;
  sinceMs: number | null;
}

/** Who has a session here. Online: one of them is up. */
export class Agents {
  readonly #agents = new Map<InboxId, Agent>();
  readonly #limits: RelayLimits;
  readonly #clock: Clock;
  readonly #onPresence: (agent: Agent) => void;
  /** Sessions that a timer will look at. */
  readonly #leaving = new WeakSet<LinkSession>();
  #online = 0;

  constructor(limits: RelayLimits, clock: Clock, onPresence: (agent: Agent) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onPresence = onPresence;
  }

  get onlineCount(): number {
    return this.#online;
  }

  find(address: InboxId): Agent | undefined {
    return this.#agents.get(address);
  }

  /** Where streams to the agent go: the newest session that is up, or has just begun and has a carrier. */
  sessionOf(address: InboxId): LinkSession | undefined {
    const sessions = [...(this.#agents.get(address)?.sessions ?? [])];
    return (
      sessions.findLast(({ status }) => status.state === 'up') ??
      sessions.findLast(({ status }) => status.carriers.some(({ isActive }) => isActive))
    );
  }

  /** Adds a session; it is taken away when it closes. */
  add(session: LinkSession): Agent {
    const address = addressOfKey(session.remote.publicKey);
    const agent = this.#agents.get(address) ?? this.#newAgent(address, session.remote.publicKey);
    this.#agents.set(address, agent);
    agent.sessions.add(session);
    if (agent.sessions.size > this.#limits.sessionsPerAgentMax) {
      const [oldest] = agent.sessions;
      oldest?.end(new SessionReplacedError());
    }
    const status = session.onStatus(() => {
      this.update(agent);
      this.#lookAfterLeft(agent);
    });
    void session.closed.then(() => {
      status[Symbol.dispose]();
      agent.sessions.delete(session);
      this.update(agent);
      if (agent.sessions.size === 0 && this.#agents.get(address) === agent) this.#agents.delete(address);
    });
    this.update(agent);
    this.#lookAfterLeft(agent);
    return agent;
  }

  /**
   * Older sessions that have no carrier: most likely of a process that was killed. What others had open to it would hang until the session's
   * time is over; so it gets a little only. Sessions of one agent that are all there live side by side.
   */
  #lookAfterLeft(agent: Agent): void {
    const isLeft = (session: LinkSession) =>
      session.status.state === 'connecting' && [...agent.sessions].at(-1) !== session;
    for (const session of agent.sessions) {
      if (!isLeft(session) || this.#leaving.has(session)) continue;
      this.#leaving.add(session);
      const timer = this.#clock.setTimer(() => {
        this.#leaving.delete(session);
        if (agent.sessions.has(session) && isLeft(session)) session.end(new SessionLeftError());
      }, this.#limits.leftSessionMs);
      void session.closed.then(() => timer.cancel());
    }
  }

  #newAgent(address: InboxId, publicKey: Uint8Array): Agent {
    const { messagesPerSecondMax, messagesBurstMax, bytesPerSecondMax, bytesBurstMax } = this.#limits;
    return {
      address,
      publicKey,
      sessions: new Set(),
      messages: new TokenBucket(this.#clock, messagesPerSecondMax, messagesBurstMax),
      bytes: new TokenBucket(this.#clock, bytesPerSecondMax, bytesBurstMax),
      ready: Promise.resolve(),
      peerStreams: 0,
      claiming: 0,
      isInvisible: false,
      isOnline: false,
      sinceMs: null,
    };
  }

  /** Looks again whether the agent is online, and tells where that changed. */
  update(agent: Agent): void {
    const isOnline = [...agent.sessions].some(({ status }) => status.state === 'up');
    if (isOnline === agent.isOnline) return;
    agent.isOnline = isOnline;
    agent.sinceMs = this.#clock.now();
    this.#online += isOnline ? 1 : -1;
    this.#onPresence(agent);
  }
}
