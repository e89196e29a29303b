import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSystemClock, createSystemRandom, type Meter, silentLogger, silentMeter } from '@pulsemesh/base';
import { type Identity, identityOfSeed } from '@pulsemesh/identity';
import { type Link, type NodeLinkOptions, startLink, type TransportName } from '@pulsemesh/link';
import {
  type AgentContact,
  connectRelay,
  createEnvelopeSealer,
  createMemoryInboxState,
  type RelayClient,
  type RelayClientLimits,
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
export const relayIdentity: Identity = identityOfSeed(new Uint8Array(32).fill(9));

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

export interface AgentOptions {
  /** Fills the seed of its identity. */
  readonly number: number;
  readonly url: string;
  readonly transport?: TransportName;
  readonly link?: Partial<NodeLinkOptions>;
  readonly limits?: Partial<RelayClientLimits>;
  readonly meter?: Meter;
}

/** An agent with envelopes, on one relay. */
export interface RelayedAgent extends AsyncDisposable {
  readonly identity: Identity;
  readonly contact: AgentContact;
  readonly link: Link;
  readonly client: RelayClient<AgentContact, string>;
  /** Resolves once the relay knows the agent's mailbox. */
  readonly known: Promise<void>;
}

/** What a contact card says of the agent of that number. */
export function contactOf(number: number): AgentContact {
  const { publicKey, sealing } = identityOfSeed(new Uint8Array(32).fill(number));
  return { publicKey, sealingKey: sealing.publicKey };
}

const contacts = [1, 2, 3, 4].map(contactOf);

/** Starts an agent; agents 1 to 4 know each other. Resolves with its session up. */
export async function startAgent(options: AgentOptions): Promise<RelayedAgent> {
  const { number, url, transport, limits = {}, meter = silentMeter } = options;
  const identity = identityOfSeed(new Uint8Array(32).fill(number));
  const deps = { ...dependencies, meter };
  const link = startLink(
    {
      url,
      identity,
      server: relayIdentity.peerId,
      software: 'threats',
      proxy: { kind: 'none' },
      ...(transport === undefined ? {} : { transports: [transport] }),
      ...options.link,
    },
    deps,
  );
  const contactByKey = (publicKey: Uint8Array) =>
    contacts.find((contact) => Buffer.compare(contact.publicKey, publicKey) === 0) ?? null;
  const sealer = createEnvelopeSealer({ identity, contactOf: contactByKey }, deps);
  const state = createMemoryInboxState();
  const known = Promise.withResolvers<void>();
  const client = await connectRelay(
    {
      relays: [{ name: 'relay', link }],
      identity,
      sealer,
      inboxState: {
        ...state,
        savePosition(position) {
          known.resolve();
          return state.savePosition(position);
        },
      },
      limits: { retryMsMin: 50, retryMsMax: 200, ...limits },
    },
    deps,
  );
  await link.waitForSession();
  return {
    identity,
    contact: contactOf(number),
    link,
    client,
    known: known.promise,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
}

/** Lets the relay know the mailbox of an agent that is away afterwards: others can send to it from then on. */
export async function introduce(number: number, url: string, link: Partial<NodeLinkOptions> = {}): Promise<void> {
  await using agent = await startAgent({ number, url, link });
  await agent.known;
}
