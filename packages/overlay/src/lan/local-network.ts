import { networkInterfaces } from 'node:os';
import {
  type Clock,
  errorForLog,
  type Logger,
  type Random,
  startTicker,
  type Ticker,
  withTimeout,
} from '@pulsemesh/base';
import type { Signer } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { createSite, lanCapability } from './lan-hello.ts';
import { createIsNamed, type LanNetwork, lanNetworks, type SystemInterfaces } from './lan-networks.ts';
import { lanLimits } from './lan-parameters.ts';
import type { Spot } from './lan-peer.ts';
import { LanSegment } from './lan-segment.ts';
import { type LanOutput, LanView } from './lan-view.ts';
import { type Listening, multiaddrOf, parseTcp, portOn } from './listening.ts';
import { type OpenHellos, openMulticast } from './multicast.ts';
import type { SetIntersection } from './set-intersection.ts';

/** Whether a node says hello on local networks, or only listens. */
export type LanMode = 'announce' | 'listen';

/** How a node behaves on local networks. */
export interface LocalNetworkOptions {
  readonly mode: LanMode;
  /**
   * Where it announces, for a machine that moves: interfaces by name (`eth0`) and networks in CIDR notation (`192.0.2.0/24`) that
   * our address is in. Elsewhere it only listens. Default: everywhere. Networks of many homes and cafés have one range:
   * `siteSecret` makes sure who is met.
   */
  readonly announceOn?: readonly string[];
  /** 32 bytes shared by all nodes of a site, which then meet each other and nobody else, and know who is who. */
  readonly siteSecret?: Uint8Array;
  /** Take the loopback interface for a local network, and no other: for tests on one machine. */
  readonly isLoopback?: boolean;
}

/** A connection, as the local network sees it. */
export interface LanConnection {
  readonly peer: PeerId;
  /** Multiaddr of the other end. */
  readonly remoteAddress: string;
}

/** What the local network needs from around it. */
export interface LocalNetworkDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The node's identity; signs hellos within a site. */
  readonly signer: Signer;
  readonly listening: () => Listening;
  readonly connections: () => readonly LanConnection[];
  /** Connects to whoever is at one of the addresses, and returns whose identity was proved. */
  readonly dial: (multiaddrs: readonly string[], signal: AbortSignal) => Promise<PeerId>;
  readonly count: (what: string) => void;
  /** Finds topics in common without showing the others; there is none yet, see {@link SetIntersection}. */
  readonly setIntersection?: SetIntersection;
  /** Default: the system's. */
  readonly interfaces?: () => SystemInterfaces;
  /** Default: UDP multicast. */
  readonly open?: OpenHellos;
}

/** How often interfaces are looked at, and how long a dial may take, milliseconds. */
const tendMs = 5_000;
const dialMs = 5_000;

/**
 * Finds the peers of the networks this machine is on, by hellos to a multicast group, and connects to them; works without
 * any other network. Interfaces may come and go. Started once, disposed once.
 */
export class LocalNetwork implements AsyncDisposable {
  readonly #options: LocalNetworkOptions;
  readonly #deps: LocalNetworkDependencies;
  readonly #segments = new Map<string, LanSegment>();
  readonly #stopped = new AbortController();
  readonly #isNamed: (network: LanNetwork) => boolean;
  readonly #refusalsOfGone = new Map<string, number>();
  #ticker: Ticker | undefined;
  #tending: Promise<void> = Promise.resolve();

  /** @throws RangeError where `announceOn` holds what is neither the name of an interface nor a network. */
  constructor(options: LocalNetworkOptions, dependencies: LocalNetworkDependencies) {
    this.#options = options;
    this.#isNamed = options.announceOn === undefined ? () => true : createIsNamed(options.announceOn);
    this.#deps = dependencies;
  }

  async start(): Promise<void> {
    const { clock, logger } = this.#deps;
    const onError = (error: unknown) => logger.error('local networks could not be looked after', errorForLog(error));
    this.#ticker = startTicker(clock, tendMs, () => this.tend(), onError);
    await this.tend();
  }

  /** Looks at the interfaces and ports again: called when they may have changed, and regularly. */
  tend(): Promise<void> {
    const tending = this.#tending.then(() => this.#tend());
    // A look that failed is told to who asked for it; the next one is made all the same.
    this.#tending = tending.catch(() => {});
    return tending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ticker?.stop();
    this.#stopped.abort();
    await this.#tending;
    await Promise.all([...this.#segments.keys()].map((name) => this.#close(name)));
  }

  /** Multiaddrs at which a peer that was met on a local network said it can be dialled. */
  addressesOf(peer: PeerId): string[] {
    const all = [...this.#segments.values()].flatMap((segment) =>
      segment.peers.filter((one) => one.peer === peer).flatMap(({ spots }) => addressesAt(segment, spots)),
    );
    return [...new Set(all)]; // for some minutes under its former key, too
  }

  /** The interface on whose network an address lies; none for what is farther away. */
  linkOf(multiaddr: string): string | undefined {
    const spot = parseTcp(multiaddr);
    if (spot === null) return undefined;
    for (const [name, segment] of this.#segments) if (segment.has(spot)) return name;
    return undefined;
  }

  /** Peers met on a network who say that they have links beyond it. */
  beyond(link: string): PeerId[] {
    const peers = this.#segments.get(link)?.peers ?? [];
    const hasLinks = ({ capabilities }: { capabilities: number }) => (capabilities & lanCapability.beyond) !== 0;
    return peers.flatMap((one) => (one.peer !== undefined && hasLinks(one) ? [one.peer] : []));
  }

  /** How many hellos were left alone since the start, by reason. */
  get refusals(): ReadonlyMap<string, number> {
    const all = new Map(this.#refusalsOfGone);
    for (const { view } of this.#segments.values()) addTo(all, view.refusals);
    return all;
  }

  async #tend(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const byName = this.#networks();
    for (const [name, segment] of this.#segments) {
      if (!isSame(segment.networks, byName.get(name))) await this.#close(name);
    }
    for (const [name, networks] of byName) {
      if (!this.#segments.has(name)) this.#segments.set(name, this.#createSegment(name, networks));
    }
    const listening = this.#deps.listening();
    for (const segment of this.#segments.values()) {
      const ports = segment.networks.map((network) => [network.family, portOn(network, listening)] as const);
      await segment.tend(Object.fromEntries(ports.filter(([, port]) => port !== undefined)));
    }
  }

  #networks(): Map<string, LanNetwork[]> {
    const interfaces = this.#deps.interfaces?.() ?? networkInterfaces();
    const byName = new Map<string, LanNetwork[]>();
    for (const network of lanNetworks(interfaces, this.#options.isLoopback)) {
      const same = byName.get(network.name);
      if (same !== undefined) same.push(network);
      else if (byName.size < lanLimits.networksMax) byName.set(network.name, [network]);
    }
    return byName;
  }

  async #close(name: string): Promise<void> {
    const segment = this.#segments.get(name);
    if (segment === undefined) return;
    this.#segments.delete(name);
    addTo(this.#refusalsOfGone, segment.view.refusals);
    await segment[Symbol.asyncDispose]();
  }

  #createSegment(name: string, networks: readonly LanNetwork[]): LanSegment {
    const { mode, siteSecret } = this.#options;
    const { clock, logger, random, signer, count, open = openMulticast } = this.#deps;
    const site = siteSecret === undefined ? {} : { site: { keys: createSite(siteSecret), signer } };
    const isBeyond = () => this.#deps.connections().some(({ remoteAddress }) => this.#isBeyond(remoteAddress, name));
    const announces = mode === 'announce' && networks.some(this.#isNamed);
    const view = new LanView({ announces, ...site }, { random, isBeyond });
    const dial = (segment: LanSegment, output: Extract<LanOutput, { kind: 'dial' }>) => this.#dial(segment, output);
    return new LanSegment(networks, view, { clock, logger, open, count, dial });
  }

  #isBeyond(remoteAddress: string, name: string): boolean {
    const isOfThisMachine = /^\/(ip4\/127\.|ip6\/::1\/)/.test(remoteAddress);
    return !isOfThisMachine && this.linkOf(remoteAddress) !== name;
  }

  async #dial(segment: LanSegment, { key, spots, peer }: Extract<LanOutput, { kind: 'dial' }>): Promise<void> {
    const met = this.#alreadyMet(segment, key, spots, peer);
    if (met !== undefined) {
      segment.dialled(key, met);
      return;
    }
    const { clock, dial, logger } = this.#deps;
    const whom = peer === undefined ? '' : `/p2p/${peer}`;
    const addresses = addressesAt(segment, spots).map((address) => `${address}${whom}`);
    try {
      const { signal } = this.#stopped;
      const found = await withTimeout(clock, 'dialling', dialMs, (inTime) => dial(addresses, inTime), { signal });
      segment.dialled(key, found);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      logger.debug('a peer of the local network could not be dialled', errorForLog(error));
      segment.dialled(key, null);
    }
  }

  /** Where a machine runs one node, the connection that this one made is recognised by its address. */
  #alreadyMet(segment: LanSegment, key: string, spots: readonly Spot[], peer: PeerId | undefined): PeerId | undefined {
    const connections = this.#deps.connections();
    if (peer !== undefined) return connections.find((one) => one.peer === peer)?.peer;
    const isAt = (address: string) => spots.some((spot) => spot.address === address);
    const neighbours = segment.peers.filter((one) => one.spots.some(({ address }) => isAt(address)));
    if (neighbours.length !== 1 || neighbours[0]?.key !== key) return undefined;
    const there = new Set<PeerId>();
    for (const one of connections) if (isAt(parseTcp(one.remoteAddress)?.address ?? '')) there.add(one.peer);
    return there.size === 1 ? [...there][0] : undefined;
  }
}

function addressesAt(segment: LanSegment, spots: readonly Spot[]): string[] {
  return spots.flatMap((spot) => {
    const network = segment.network(spot.family);
    return network === undefined ? [] : [multiaddrOf(spot, network)];
  });
}

function isSame(before: readonly LanNetwork[], now: readonly LanNetwork[] = []): boolean {
  const text = (networks: readonly LanNetwork[]) => networks.map(({ address, cidr }) => `${address} ${cidr}`).join();
  return text(before) === text(now);
}

function addTo(sum: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [reason, count] of counts) sum.set(reason, (sum.get(reason) ?? 0) + count);
}
