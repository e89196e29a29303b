import {
  type Clock,
  type Condition,
  type Logger,
  type Meter,
  type Random,
  raceSignal,
  type Timer,
  type WaitOptions,
} from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import { MethodTakenError, SessionClosedError } from '../errors.ts';
import type { LinkSession, LinkStream, ServeOptions } from '../session.ts';
import type { ClientSession, ClientSessionOptions, SessionDependencies } from '../session-ends.ts';
import type { CarrierConnectors } from './carriers/connect.ts';
import { Climber } from './climber.ts';
import { CarrierError, LinkDisposedError, LinkOptionError, type TransportFailure } from './errors.ts';
import { HandlerSet } from './handler-set.ts';
import type { Link, LinkStatus } from './link.ts';
import { createLinkEvents, type LinkEvents } from './link-events.ts';
import type { NetworkMemory, NetworkRecord } from './network-memory.ts';

/** A new session after one was lost: at most this soon and this late, milliseconds; doubles while they do not last. */
const renewMsFirst = 500;
const renewMsMax = 30_000;
/** A session that lived this long, milliseconds, sets the delay back to the first. */
const lastingMs = 30_000;
/** After a move, how long until it is worth remembering, milliseconds. */
const rememberAfterMs = 2_000;

export interface LinkDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

export interface LinkKeeperOptions {
  readonly url: URL;
  readonly transports: readonly TransportName[];
  readonly connectors: CarrierConnectors;
  readonly createSession: (options: ClientSessionOptions, dependencies: SessionDependencies) => ClientSession;
  readonly memory: NetworkMemory;
  readonly memoryKey: () => string;
  readonly session: ClientSessionOptions;
}

interface Served {
  readonly handler: (stream: LinkStream) => Promise<void> | void;
  readonly options: ServeOptions | undefined;
  current: Disposable | null;
}

type Outcome =
  | { readonly kind: 'open' }
  /** Disposed here (null), or refused for good. */
  | { readonly kind: 'over'; readonly reason: Condition | null };

/** Keeps one session after the other alive; see {@link Link}. */
export class LinkKeeper implements Link {
  readonly #options: LinkKeeperOptions;
  readonly #deps: LinkDependencies;
  readonly #events: LinkEvents;
  readonly #served = new Map<string, Served>();
  readonly #onSession = new HandlerSet<LinkSession>();
  readonly #onStatus = new HandlerSet<LinkStatus>();
  readonly #onExhausted = new HandlerSet<readonly TransportFailure[]>();
  readonly #closed = Promise.withResolvers<Condition | null>();
  #outcome: Outcome = { kind: 'open' };
  /** The session being made or kept. */
  #client: ClientSession | null = null;
  /** The same once its login was accepted. */
  #session: ClientSession | null = null;
  #climber: Climber | null = null;
  #waiting = Promise.withResolvers<LinkSession>();
  #sessions = 0;
  #renewals = 0;
  #problem: Condition | null = null;
  #timer: Timer | null = null;
  #rememberTimer: Timer | null = null;
  #isIntercepted: boolean | null = null;

  constructor(options: LinkKeeperOptions, deps: LinkDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#events = createLinkEvents(deps);
    this.#waiting.promise.catch(() => {});
    void this.#begin();
  }

  get session(): LinkSession | null {
    return this.#session;
  }

  get closed(): Promise<Condition | null> {
    return this.#closed.promise;
  }

  get status(): LinkStatus {
    const session = this.#session?.status ?? null;
    return {
      state: this.#state,
      session,
      transport: session?.transport ?? null,
      rttMs: session?.rttMs ?? null,
      isIntercepted: session?.isIntercepted ?? null,
      pinned: this.#climber?.pinned ?? null,
      sessions: this.#sessions,
      failures: this.#climber?.failures ?? [],
      problem: this.#problem,
    };
  }

  get #state(): LinkStatus['state'] {
    if (this.#outcome.kind === 'over') return this.#outcome.reason === null ? 'closed' : 'refused';
    return this.#session === null ? 'connecting' : 'up';
  }

  onSession(handler: (session: LinkSession) => void): Disposable {
    const registration = this.#onSession.add(handler);
    if (this.#session !== null) handler(this.#session);
    return registration;
  }

  onStatus(handler: (status: LinkStatus) => void): Disposable {
    return this.#onStatus.add(handler);
  }

  /** Tells of each round in which no transport came through. */
  onExhausted(handler: (failures: readonly TransportFailure[]) => void): Disposable {
    return this.#onExhausted.add(handler);
  }

  waitForSession(options: WaitOptions = {}): Promise<LinkSession> {
    if (this.#session !== null) return Promise.resolve(this.#session);
    return raceSignal(this.#waiting.promise, options.signal);
  }

  async open(method: string, options: WaitOptions = {}): Promise<LinkStream> {
    return (await this.waitForSession(options)).open(method);
  }

  async request(method: string, message: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    return (await this.waitForSession(options)).request(method, message, options);
  }

  serve(method: string, handler: Served['handler'], options?: ServeOptions): Disposable {
    if (this.#served.has(method)) throw new MethodTakenError(method);
    const served: Served = { handler, options, current: null };
    this.#served.set(method, served);
    if (this.#client !== null) served.current = this.#client.serve(method, handler, options);
    return {
      [Symbol.dispose]: () => {
        if (this.#served.get(method) !== served) return;
        this.#served.delete(method);
        served.current?.[Symbol.dispose]();
      },
    };
  }

  async use(transport: TransportName | null, options: WaitOptions = {}): Promise<void> {
    if (transport !== null && !this.#options.transports.includes(transport)) {
      throw new LinkOptionError(`${transport} is not among the transports of this link`);
    }
    if (this.#climber === null) throw new CarrierError('connect-failed', 'there is no session to move');
    await raceSignal(this.#climber.pin(transport), options.signal);
    this.#tellStatus();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#outcome.kind === 'over') return;
    const client = this.#client;
    const climber = this.#climber;
    this.#over(null);
    // The goodbye goes out on a carrier that still stands.
    await client?.[Symbol.asyncDispose]();
    climber?.stop(null);
  }

  async #begin(): Promise<void> {
    const record = await this.#options.memory.recall(this.#options.memoryKey());
    if (this.#outcome.kind === 'over') return;
    const { clock, random, logger, meter } = this.#deps;
    const client = this.#options.createSession(this.#options.session, { clock, random, logger, meter });
    this.#client = client;
    for (const [method, served] of this.#served) served.current = client.serve(method, served.handler, served.options);
    client.onStatus(() => this.#tellStatus());
    const climber = this.#createClimber(client, record);
    this.#climber = climber;
    const startedMs = clock.monotonicMs();
    client.established.then(
      () => this.#up(client),
      () => {},
    );
    void client.closed.then((reason) => {
      if (this.#client === client) this.#down(reason ?? new SessionClosedError(), clock.monotonicMs() - startedMs);
    });
    climber.start();
  }

  #createClimber(session: ClientSession, record: NetworkRecord | null): Climber {
    const { url, transports, connectors } = this.#options;
    const { clock, random } = this.#deps;
    const events = {
      onMoved: (transport: TransportName) => {
        this.#events.moved(transport);
        this.#rememberSoon();
        this.#tellStatus();
      },
      onFailed: this.#events.failed,
      onExhausted: (failures: readonly TransportFailure[]) => {
        this.#events.unreachable(failures.length);
        this.#onExhausted.tell(failures);
        this.#tellStatus();
      },
    };
    return new Climber({ url, transports, connectors, record }, { clock, random, session, events });
  }

  #up(client: ClientSession): void {
    if (this.#client !== client || this.#outcome.kind === 'over') return;
    this.#session = client;
    this.#problem = null;
    this.#sessions += 1;
    this.#events.sessionUp(client.label);
    this.#waiting.resolve(client);
    this.#onSession.tell(client);
    this.#tellStatus();
  }

  // The session is over: another one, unless the server will not have us.
  #down(reason: Condition, livedMs: number): void {
    this.#events.sessionOver(this.#client?.label ?? '', reason.code);
    const wasUp = this.#session !== null;
    this.#client = null;
    this.#session = null;
    this.#problem = reason;
    this.#remember();
    this.#climber?.stop(reason);
    this.#climber = null;
    if (wasUp) {
      this.#waiting = Promise.withResolvers();
      this.#waiting.promise.catch(() => {});
    }
    if (!reason.retryable) {
      this.#over(reason);
      return;
    }
    this.#renewals = livedMs >= lastingMs ? 0 : this.#renewals + 1;
    // Jitter over the whole span: when a server goes, all its agents are looking for a new session.
    const spanMs = Math.min(renewMsMax, renewMsFirst * 2 ** Math.min(this.#renewals, 10));
    this.#timer = this.#deps.clock.setTimer(() => void this.#begin(), spanMs * this.#deps.random.float());
    this.#tellStatus();
  }

  #over(reason: Condition | null): void {
    this.#outcome = { kind: 'over', reason };
    this.#timer?.cancel();
    this.#remember();
    this.#client = null;
    this.#session = null;
    this.#climber = null;
    this.#waiting.reject(reason ?? new LinkDisposedError());
    this.#rejectLateWaits(reason ?? new LinkDisposedError());
    this.#tellStatus();
    this.#closed.resolve(reason);
  }

  // Whoever asks after the end is told the same.
  #rejectLateWaits(reason: Condition): void {
    this.#waiting = Promise.withResolvers();
    this.#waiting.promise.catch(() => {});
    this.#waiting.reject(reason);
  }

  #rememberSoon(): void {
    this.#rememberTimer?.cancel();
    this.#rememberTimer = this.#deps.clock.setTimer(() => this.#remember(), rememberAfterMs);
  }

  #remember(): void {
    this.#rememberTimer?.cancel();
    this.#rememberTimer = null;
    const record = this.#climber?.record;
    if (record !== undefined && record.winner !== null)
      void this.#options.memory.remember(this.#options.memoryKey(), record);
  }

  #tellStatus(): void {
    const { status } = this;
    if (status.isIntercepted === true && this.#isIntercepted !== true) this.#events.intercepted();
    this.#isIntercepted = status.isIntercepted;
    this.#onStatus.tell(status);
  }
}
