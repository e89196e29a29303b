import { type Clock, Condition, errorCode, type Logger, type Meter, startTicker, type Ticker } from '@pulsemesh/base';
import type { LinkSession, SessionServer } from '@pulsemesh/link';
import type { PeerId } from '@pulsemesh/wire';
import type { EngineStats, MailboxEngine } from '../engine.ts';
import { Agents } from './agents.ts';
import { claimAddress, serveClaim } from './claims.ts';
import type { AgentSession, RelayContext } from './context.ts';
import { RelayStoppingError, TooManyGuestsError, TooManyStreamsError } from './errors.ts';
import { createRelayEvents, type RelayEvents } from './events.ts';
import { type RelayLimits, relayLimits } from './limits.ts';
import { MailboxReader } from './mailbox-receive.ts';
import { serveSend } from './mailbox-send.ts';
import { servePeerOpen } from './peer-streams.ts';
import { PresenceBoard } from './presence.ts';
import { isRetryable, Storing } from './storing.ts';
import { Topics } from './topics.ts';

export interface RelayOptions {
  /** Not disposed with the relay. */
  readonly engine: MailboxEngine;
  /** The link's end: who is admitted is its matter. Not disposed with the relay. */
  readonly sessions: SessionServer;
  readonly limits?: Partial<RelayLimits>;
}

export interface RelayDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

export interface RelayHealth {
  /** `failed`: the engine is broken; the process should stop. */
  readonly state: 'serving' | 'draining' | 'failed';
  readonly engine: string;
  readonly agentsOnline: number;
  readonly mailboxes: EngineStats | null;
}

/** The messaging server over one link server. Disposing ends its sessions at once; `drain` first is kinder. */
export interface Relay extends AsyncDisposable {
  readonly events: RelayEvents;
  health(): Promise<RelayHealth>;
  /** Ends the agent's sessions at once, with how many there were; for revocation. */
  endAgent(peer: PeerId, reason: Condition): number;
  /** Says goodbye to all within the time, and finishes what is being stored. */
  drain(withinMs: number): Promise<void>;
  /** Resolves when the engine failed, with why; null once disposed. Never rejects. */
  readonly failed: Promise<Condition | null>;
}

/** Serves the relay's methods (relay.proto) on each session of `sessions`. */
export function startRelay(options: RelayOptions, dependencies: RelayDependencies): Relay {
  return new RunningRelay(options, dependencies);
}

class RunningRelay implements Relay {
  readonly events: RelayEvents;
  readonly #engine: MailboxEngine;
  readonly #sessions: SessionServer;
  readonly #context: RelayContext;
  readonly #presence = new PresenceBoard();
  readonly #topics = new Topics();
  readonly #readers = new Set<MailboxReader>();
  /** Oldest first. */
  readonly #guests = new Set<LinkSession>();
  readonly #tickers: readonly Ticker[];
  readonly #failure = Promise.withResolvers<Condition | null>();
  #state: RelayHealth['state'] = 'serving';

  constructor({ engine, sessions, limits }: RelayOptions, { clock, logger, meter }: RelayDependencies) {
    this.#engine = engine;
    this.#sessions = sessions;
    this.events = createRelayEvents(logger, meter);
    const all = { ...relayLimits, ...limits };
    const fail = (error: unknown) => this.#fail(error);
    const agents = new Agents(all, clock, (agent) => {
      this.#presence.changed(agent);
      this.events.online(agents.onlineCount);
    });
    const storing = new Storing(engine, all, this.events, fail);
    this.#context = { engine, limits: all, events: this.events, storing, agents, clock, logger, fail };
    this.#tickers = [
      startTicker(
        clock,
        all.sweepEveryMs,
        () => this.#sweep(),
        (error) => this.#troubled(error),
      ),
      startTicker(
        clock,
        all.lookEveryMs,
        () => this.#look(),
        (error) => this.#troubled(error),
      ),
    ];
    sessions.onSession((session) => this.#take(session));
  }

  get failed(): Promise<Condition | null> {
    return this.#failure.promise;
  }

  #take(session: LinkSession): void {
    if (this.#state !== 'serving') {
      session.end(new RelayStoppingError(this.#state));
      return;
    }
    // A guest may call what others serve to guests; it has no address here.
    if (session.remote.isGuest) {
      this.#takeGuest(session);
      return;
    }
    const agent = this.#context.agents.add(session);
    const own: AgentSession = { agent, session, context: this.#context };
    agent.ready = claimAddress(own).catch((error) => this.#troubled(error));
    let readers = 0;
    session.serve('mailbox.send', (stream) => serveSend(own, stream));
    session.serve('mailbox.receive', (stream) => {
      if (readers >= this.#context.limits.readersPerSessionMax) {
        stream.abort(new TooManyStreamsError());
        return;
      }
      readers += 1;
      const reader = new MailboxReader(own, stream, () => {
        readers -= 1;
        this.#readers.delete(reader);
      });
      this.#readers.add(reader);
      reader.start();
    });
    session.serve('inbox.claim', (stream) => serveClaim(own, stream));
    session.serve('peer.open', (stream) => servePeerOpen(own, stream));
    session.serve('presence.watch', (stream) => this.#presence.serveWatch(own, stream));
    session.serve('presence.set', (stream) => this.#presence.serveSet(own, stream));
    session.serve('topic.publish', (stream) => this.#topics.servePublish(own, stream));
    session.serve('topic.subscribe', (stream) => this.#topics.serveSubscribe(own, stream));
  }

  /** Anybody can be a guest: the oldest gives way to the newest, so that guests never take the places of agents. */
  #takeGuest(session: LinkSession): void {
    this.#guests.add(session);
    void session.closed.then(() => this.#guests.delete(session));
    const [oldest] = this.#guests;
    if (this.#guests.size > this.#context.limits.guestSessionsMax) oldest?.end(new TooManyGuestsError());
  }

  #look(): void {
    for (const reader of this.#readers) reader.look();
  }

  async #sweep(): Promise<void> {
    await this.#engine.sweep();
    this.events.stats(await this.#engine.stats());
  }

  #troubled(error: unknown): void {
    if (isRetryable(error)) this.events.engineTroubled(errorCode(error));
    else this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.events.engineFailed(errorCode(error));
    // Nobody is told that something is stored any more; agents go elsewhere with what they keep.
    for (const session of this.#sessions.sessions()) session.end(new RelayStoppingError('failed'));
    this.#failure.resolve(
      error instanceof Condition ? error : new Condition('relay-failed', 'the relay failed', { cause: error }),
    );
  }

  async health(): Promise<RelayHealth> {
    const mailboxes = this.#state === 'failed' ? null : await this.#engine.stats().catch(() => null);
    const { onlineCount } = this.#context.agents;
    return { state: this.#state, engine: this.#engine.name, agentsOnline: onlineCount, mailboxes };
  }

  endAgent(peer: PeerId, reason: Condition): number {
    return this.#sessions.endSessionsOf(peer, reason);
  }

  async drain(withinMs: number): Promise<void> {
    if (this.#state === 'serving') this.#state = 'draining';
    await this.#sessions.drain(withinMs);
    await this.#context.storing.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ticker of this.#tickers) ticker.stop();
    for (const reader of [...this.#readers]) reader.stop();
    for (const session of this.#sessions.sessions()) session.end(new RelayStoppingError('draining'));
    await this.#context.storing.idle();
    this.#failure.resolve(null);
  }
}
