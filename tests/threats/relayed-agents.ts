import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type Clock,
  createSystemClock,
  createSystemRandom,
  type Meter,
  silentLogger,
  silentMeter,
} from '@pulsemesh/base';
import { type Identity, identityOfSeed } from '@pulsemesh/identity';
import { type Link, type NodeLinkOptions, startLink, type TransportName } from '@pulsemesh/link';
import {
  type AgentContact,
  connectRelay,
  createEnvelopeSealer,
  createMemoryInboxState,
  type PairStore,
  type RelayClient,
  type RelayClientLimits,
  type RelayUse,
} from '@pulsemesh/relay/client';
import type { RelayStats, RelayTask } from './relay-process.ts';

/** Every transport that a link tries by itself. */
export const transports: readonly TransportName[] = [
  'grpc',
  'websocket',
  'websocket-h2',
  'stream',
  'sse',
  'long-poll',
  'short-poll',
];

export const dependencies = {
  clock: createSystemClock({ unref: true }),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

/** Whom the relays of these tests prove to be. */
export const relayIdentity: Identity = identityOf(9);

const program = fileURLToPath(new URL('relay-process.ts', import.meta.url));

/** A relay as a process of its own. Disposing kills it. */
export class RelayProcess implements AsyncDisposable {
  readonly url: string;
  readonly log: string[];
  readonly child: ChildProcess;

  private constructor(child: ChildProcess, url: string, log: string[]) {
    this.child = child;
    this.url = url;
    this.log = log;
  }

  static async start(task: Pick<RelayTask, 'directory'> & Partial<RelayTask>): Promise<RelayProcess> {
    const defaults = {
      port: 0,
      tls: null,
      logLevel: 'debug',
      drop: null,
      limits: {},
      engineLimits: {},
      reserveBytes: 0,
    };
    const child = spawn(process.execPath, [program, JSON.stringify({ ...defaults, ...task })], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const log: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => void log.push(text));
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [url] = await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the relay did not start: ${log.join('')}`))),
    ]);
    return new RelayProcess(child, String(url), log);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async stats(): Promise<RelayStats> {
    const answer = once(this.child, 'message');
    this.child.send('stats');
    const [stats] = await answer;
    return stats as RelayStats;
  }

  /** SIGKILL, and over once this resolves. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** The identity of the agent of that number. */
export function identityOf(number: number): Identity {
  return identityOfSeed(new Uint8Array(32).fill(number));
}

/** What a contact card says of that agent. */
export function contactOf(number: number): AgentContact {
  const { publicKey, sealing } = identityOf(number);
  return { publicKey, sealingKey: sealing.publicKey };
}

const contacts = [1, 2, 3, 4].map(contactOf);

/** Agents 1 to 4 know each other. */
export function contactByKey(publicKey: Uint8Array): AgentContact | null {
  return contacts.find((contact) => Buffer.compare(contact.publicKey, publicKey) === 0) ?? null;
}

export interface ClientOptions {
  readonly number: number;
  readonly relays: readonly RelayUse[];
  readonly limits?: Partial<RelayClientLimits>;
  readonly meter?: Meter;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: envelopes only. */
  readonly pairs?: PairStore;
}

/** A client with envelopes. */
export interface SealingClient {
  readonly identity: Identity;
  readonly contact: AgentContact;
  readonly client: RelayClient<AgentContact, string>;
  /** Resolves once a relay knows the agent's mailbox. */
  readonly known: Promise<void>;
}

/** The client of an agent; agents 1 to 4 know each other. */
export async function connectClient({
  number,
  relays,
  limits = {},
  meter = silentMeter,
  clock = dependencies.clock,
  pairs,
}: ClientOptions): Promise<SealingClient> {
  const identity = identityOf(number);
  const deps = { ...dependencies, meter, clock };
  const state = createMemoryInboxState();
  const known = Promise.withResolvers<void>();
  const client = await connectRelay(
    {
      relays,
      identity,
      sealer: createEnvelopeSealer({ identity, contactOf: contactByKey }, deps),
      inboxState: {
        ...state,
        savePosition(position) {
          known.resolve();
          return state.savePosition(position);
        },
      },
      limits: { retryMsMin: 50, retryMsMax: 200, ...limits },
      ...(pairs === undefined ? {} : { pairs }),
    },
    deps,
  );
  return { identity, contact: contactOf(number), client, known: known.promise };
}

export interface AgentOptions extends Omit<ClientOptions, 'relays'> {
  readonly url: string;
  readonly link?: Partial<NodeLinkOptions>;
}

export interface RelayedAgent extends SealingClient, AsyncDisposable {
  readonly link: Link;
}

/** Starts an agent on one relay. Resolves with its session up. */
export async function startAgent(options: AgentOptions): Promise<RelayedAgent> {
  const { number, url, meter = silentMeter } = options;
  const link = startLink(
    {
      url,
      identity: identityOf(number),
      server: relayIdentity.peerId,
      software: 'threats',
      proxy: { kind: 'none' },
      ...options.link,
    },
    { ...dependencies, meter },
  );
  const sealing = await connectClient({ ...options, relays: [{ name: 'relay', link }] });
  await link.waitForSession();
  return {
    ...sealing,
    link,
    async [Symbol.asyncDispose]() {
      await sealing.client[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
}

/** Lets the relay know the mailbox of an agent that is away afterwards: others can send to it from then on. */
export async function introduce(number: number, url: string, link: Partial<NodeLinkOptions> = {}): Promise<void> {
  await using agent = await startAgent({ number, url, link });
  await agent.known;
}
