import {
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  gossipsub,
  type PublishResult,
} from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { PrivateKey } from '@libp2p/interface';
import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal';
import { memory } from '@libp2p/memory';
import { noise } from '@libp2p/noise';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
// biome-ignore lint/correctness/noUndeclaredDependencies: only tests use this
import { expect } from 'vitest';
import type { UpsycleInit } from '../init.ts';
import type { Message, PublishOptions } from '../pub-sub.ts';
import { upsycle, upsycleProtocol } from '../upsycle.ts';

/** How long an assertion waits for what is to come, milliseconds. */
export const waitMs = 20_000;

/** Options that both services know by one name. */
export type CommonInit = Pick<
  UpsycleInit,
  | 'emitSelf'
  | 'allowPublishToZeroTopicPeers'
  | 'globalSignaturePolicy'
  | 'runOnLimitedConnection'
  | 'maxInboundDataLength'
  | 'maxOutboundBufferSize'
> &
  Partial<Pick<GossipsubOpts, 'allowedTopics' | 'msgIdFn'>>;

/** gossipsub's type leaves out what its `publish` takes. */
export interface Service extends GossipSub {
  publish(topic: string, data?: Uint8Array, options?: PublishOptions): Promise<PublishResult>;
}

/** One of the two services under the contract, and what they differ in on purpose. */
export interface Kind {
  readonly name: 'gossipsub' | 'upsycle';
  readonly protocol: string;
  readonly create: (init: CommonInit) => (components: GossipSubComponents) => Service;
}

export const kinds: readonly Kind[] = [
  {
    name: 'gossipsub',
    protocol: '/meshsub/1.2.0',
    // The score punishes many peers at one address, and silence of a topic's neighbours: not what is compared here.
    create: (init) => gossipsub({ ...init, scoreParams: { IPColocationFactorWeight: 0 } }),
  },
  { name: 'upsycle', protocol: upsycleProtocol, create: (init) => upsycle(init as UpsycleInit) },
];

export interface HostInit extends CommonInit {
  readonly privateKey?: PrivateKey;
  readonly listen?: string[];
}

const addressPrefix = '/memory/contract';
let made = 0;

/** A stock libp2p node with one of the services. */
export async function createHost(kind: Kind, { privateKey, listen, ...init }: HostInit = {}) {
  made += 1;
  return createLibp2p({
    start: false,
    ...(privateKey === undefined ? {} : { privateKey }),
    addresses: { listen: listen ?? [`${addressPrefix}-${kind.name}-${made}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionManager: { inboundConnectionThreshold: 1_000, reconnectRetries: 0 },
    services: { identify: identify(), pubsub: kind.create(init) },
  });
}

export type Host = Awaited<ReturnType<typeof createHost>>;

/** Hosts of one test, stopped at its end. */
export class Hosts {
  readonly #kind: Kind;
  readonly #running: { stop: () => void | Promise<void> }[] = [];

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  async start(init: HostInit = {}): Promise<Host> {
    const host = this.keep(await createHost(this.#kind, init));
    await host.start();
    return host;
  }

  /** Two that are connected, and know that the other speaks the protocol. */
  async pair(init: HostInit = {}, otherInit = init): Promise<[Host, Host]> {
    const [one, other] = [await this.start(init), await this.start(otherInit)];
    await connect(one, other);
    return [one, other];
  }

  /** Two that are connected and read a topic, and know it of each other. */
  async readers(topic: string, init: HostInit = {}, otherInit = init): Promise<[Host, Host]> {
    const [one, other] = await this.pair(init, otherInit);
    await subscribed(topic, one, other);
    return [one, other];
  }

  keep<H extends { stop: () => void | Promise<void> }>(host: H): H {
    this.#running.push(host);
    return host;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((host) => host.stop()));
  }
}

export async function connect(one: Host, other: Host): Promise<void> {
  await other.dial(one.getMultiaddrs());
  await expect.poll(() => peersOf(one).includes(nameOf(other)), { timeout: waitMs }).toBe(true);
  await expect.poll(() => peersOf(other).includes(nameOf(one)), { timeout: waitMs }).toBe(true);
}

/** Has all read a topic and waits until each knows of each. */
export async function subscribed(topic: string, ...hosts: Host[]): Promise<void> {
  for (const host of hosts) host.services.pubsub.subscribe(topic);
  const known = () => hosts.map((host) => subscribersOf(host, topic).length);
  await expect.poll(known, { timeout: waitMs }).toEqual(hosts.map(() => hosts.length - 1));
}

export const nameOf = (host: Host) => host.peerId.toString();
export const peersOf = (host: Host) => host.services.pubsub.getPeers().map(String);
export const subscribersOf = (host: Host, topic: string) => host.services.pubsub.getSubscribers(topic).map(String);
export const publish = (host: Host, topic: string, text: string) => host.services.pubsub.publish(topic, bytes(text));

/** The texts that arrive at a host from now on. */
export function textsOf(host: Host): string[] {
  const texts: string[] = [];
  host.services.pubsub.addEventListener('message', (event) => texts.push(textOf(event.detail)));
  return texts;
}

export function messagesOf(host: Host): Message[] {
  const messages: Message[] = [];
  host.services.pubsub.addEventListener('message', (event) => messages.push(event.detail));
  return messages;
}

/** The changes of subscriptions that a host is told from now on: `name+topic`, `name-topic`. */
export function changesOf(host: Host): string[] {
  const changes: string[] = [];
  host.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
    for (const { topic, subscribe } of detail.subscriptions)
      changes.push(`${detail.peerId.toString()}${subscribe ? '+' : '-'}${topic}`);
  });
  return changes;
}

export const textOf = ({ data }: { data: Uint8Array }) => new TextDecoder().decode(data);
export const bytes = (text: string) => new TextEncoder().encode(text);

/** A host dies as a process does: its connections break, it says good-bye to nobody, nobody can dial it, and it dials nobody. */
export async function breakOff(host: Host): Promise<void> {
  const { connectionManager, transportManager } = componentsOf(host);
  connectionManager.openConnection = () => Promise.reject(new Error('the process is gone'));
  // The listener goes first, so that who is called back finds nobody.
  for (const listener of transportManager.getListeners()) await listener.close();
  for (const connection of host.getConnections()) connection.abort(new Error('the process is gone'));
}

function componentsOf(host: Host): {
  readonly connectionManager: ConnectionManager;
  readonly transportManager: TransportManager;
} {
  return (host as unknown as { components: ReturnType<typeof componentsOf> }).components;
}
