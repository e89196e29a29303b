import { type Clock, createSeededRandom, type Random, silentLogger, silentMeter, sleep } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import {
  type ClientSession,
  createClientSession,
  createSessionServer,
  type LinkIdentity,
  type LinkSession,
  type SessionServer,
  type SessionServerOptions,
} from '@pulsemesh/link';
import {
  createMemoryCarrierPair,
  createTestLinkIdentity,
  type MemoryCarrierOptions,
  type MemoryCarrierPair,
} from '@pulsemesh/link/testing';
import type { InboxState, Outbox, RelayClientOptions, RelayLink } from '../client/index.ts';
import { connectRelay, createMemoryInboxState, type RelayClient } from '../client/index.ts';
import type { MailboxEngine } from '../engine.ts';
import type { RelayLimits } from '../server/limits.ts';
import { type Relay, startRelay } from '../server/relay.ts';

export interface TestWorldOptions {
  readonly clock: Clock;
  readonly seed?: number;
  /** How carriers behave; by default at once, without loss. */
  readonly carrier?: Partial<Omit<MemoryCarrierOptions, 'clock' | 'random'>>;
  readonly limits?: Partial<RelayLimits>;
  /** Default: everybody is admitted. */
  readonly admit?: SessionServerOptions['admit'];
  readonly logger?: typeof silentLogger;
  readonly meter?: typeof silentMeter;
}

interface RunningRelay {
  readonly server: SessionServer;
  readonly relay: Relay;
  readonly engine: MailboxEngine;
}

/** Relays and agents in one process, joined by carriers in memory: they can be cut, and relays can crash. For tests. */
export class TestWorld implements AsyncDisposable {
  readonly clock: Clock;
  readonly random: Random;
  readonly dependencies;
  readonly options: TestWorldOptions;
  readonly #relays = new Map<string, RunningRelay>();
  readonly #identities = new Map<string, LinkIdentity>();
  readonly links = new Set<TestLink>();

  constructor(options: TestWorldOptions) {
    this.options = options;
    this.clock = options.clock;
    this.random = createSeededRandom(options.seed ?? 1);
    const { logger = silentLogger, meter = silentMeter } = options;
    this.dependencies = { clock: this.clock, random: this.random, logger, meter };
  }

  /** The engine is disposed with the relay, also when it crashes. */
  startRelay(name: string, engine: MailboxEngine): Relay {
    const identity = this.identity(name);
    const { admit } = this.options;
    const server = createSessionServer(
      { identity, certificateSha256: () => null, ...(admit === undefined ? {} : { admit }) },
      this.dependencies,
    );
    const limits = this.options.limits === undefined ? {} : { limits: this.options.limits };
    const relay = startRelay({ engine, sessions: server, ...limits }, this.dependencies);
    this.#relays.set(name, { server, relay, engine });
    return relay;
  }

  relay(name: string): RunningRelay | undefined {
    return this.#relays.get(name);
  }

  /** As if the process were killed: nobody hears of it but by silence, and what was not durable is gone. */
  async crashRelay(name: string): Promise<void> {
    const running = this.#relays.get(name);
    if (running === undefined) return;
    this.#relays.delete(name);
    for (const link of this.links) if (link.relay === name) link.lose();
    await running.engine[Symbol.asyncDispose]();
    // What was being stored never ends in a crash: nobody waits for it.
    void running.relay[Symbol.asyncDispose]();
    void running.server[Symbol.asyncDispose]();
  }

  identity(name: string): LinkIdentity {
    const known = this.#identities.get(name);
    if (known !== undefined) return known;
    const identity = createTestLinkIdentity(this.random);
    this.#identities.set(name, identity);
    return identity;
  }

  /** This agent has this key from now on. */
  adopt(name: string, identity: LinkIdentity): void {
    this.#identities.set(name, identity);
  }

  link(agent: string, relay: string): TestLink {
    const link = new TestLink(this, this.identity(agent), relay);
    this.links.add(link);
    return link;
  }

  /** A client without a sealer on links of its own; a test disposes it, then its links. */
  async connect<Mark = string>(
    agent: string,
    relays: readonly string[],
    options: Partial<Omit<RelayClientOptions<never, Mark>, 'relays' | 'sealer'>> & { readonly outbox?: Outbox } = {},
  ): Promise<TestAgent<Mark>> {
    const links = relays.map((relay) => this.link(agent, relay));
    const client = await connectRelay<never, Mark>(
      {
        // Only where the caller leaves it out, and then `Mark` is a string.
        inboxState: createMemoryInboxState() as unknown as InboxState<Mark>,
        ...options,
        identity: this.identity(agent),
        relays: links.map((link, index) => ({ name: relays[index] as string, link })),
        sealer: null,
      },
      this.dependencies,
    );
    return {
      client,
      links,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        for (const link of links) await link[Symbol.asyncDispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.links) await link[Symbol.asyncDispose]();
    for (const { relay, server, engine } of this.#relays.values()) {
      await relay[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    }
  }
}

export interface TestAgent<Mark = string> extends AsyncDisposable {
  readonly client: RelayClient<never, Mark>;
  readonly links: readonly TestLink[];
}

/** A link that keeps a session over carriers in memory: a new carrier when one is cut, a new session when one is lost. */
export class TestLink implements RelayLink, AsyncDisposable {
  readonly relay: string;
  readonly #world: TestWorld;
  readonly #identity: LinkIdentity;
  readonly #handlers = new Set<(session: LinkSession) => void>();
  #client: ClientSession | null = null;
  #session: ClientSession | null = null;
  #carriers: MemoryCarrierPair | null = null;
  #up = Promise.withResolvers<LinkSession>();
  #isOver = false;
  isPartitioned = false;

  constructor(world: TestWorld, identity: LinkIdentity, relay: string) {
    this.#world = world;
    this.#identity = identity;
    this.relay = relay;
    void this.#begin();
  }

  get session(): LinkSession | null {
    return this.#session;
  }

  /** The session, once there is one. */
  up(): Promise<LinkSession> {
    return this.#session === null ? this.#up.promise : Promise.resolve(this.#session);
  }

  onSession(handler: (session: LinkSession) => void): Disposable {
    this.#handlers.add(handler);
    if (this.#session !== null) handler(this.#session);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Cuts the carrier; the session goes on on another one. */
  cut(): void {
    this.#carriers?.cut();
  }

  /** The session is lost for good, as when its relay was killed. */
  lose(): void {
    this.#client?.end(new Condition('lost', 'the session was lost', { retryable: true }));
    this.cut();
  }

  async #begin(): Promise<void> {
    while (!this.#isOver) {
      if (this.#world.relay(this.relay) !== undefined && !this.isPartitioned) await this.#oneSession();
      if (!this.#isOver) await sleep(this.#world.clock, 50);
    }
  }

  async #oneSession(): Promise<void> {
    const client = createClientSession({ identity: this.#identity, software: 'test' }, this.#world.dependencies);
    this.#client = client;
    client.onCarrierClosed(() => void this.#attachAgain(client));
    this.#attach(client);
    client.established.then(
      () => this.#established(client),
      () => {},
    );
    await client.closed;
    this.#client = null;
    if (this.#session !== null) this.#up = Promise.withResolvers();
    this.#session = null;
  }

  #established(client: ClientSession): void {
    if (this.#client !== client) return;
    this.#session = client;
    this.#up.resolve(client);
    for (const handler of this.#handlers) handler(client);
  }

  #attach(client: ClientSession): void {
    const server = this.#world.relay(this.relay)?.server;
    if (server === undefined || this.isPartitioned) {
      void this.#attachAgain(client);
      return;
    }
    const { clock, random, options } = this.#world;
    this.#carriers = createMemoryCarrierPair({ clock, random, ...options.carrier });
    server.accept(this.#carriers.server);
    const { agent } = this.#carriers;
    client.attach(agent).then(
      () => client.use(agent),
      () => {},
    );
  }

  async #attachAgain(client: ClientSession): Promise<void> {
    await sleep(this.#world.clock, 20);
    if (this.#client === client && !this.#isOver) this.#attach(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#world.links.delete(this);
    await this.#client?.[Symbol.asyncDispose]();
  }
}
