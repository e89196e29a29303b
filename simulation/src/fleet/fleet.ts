import { createSeededRandom, type Random } from '@pulsemesh/base';
import {
  type Descriptor,
  DescriptorMemory,
  type JoinSeals,
  type Links,
  OverlayNode,
  type Topic,
} from '@pulsemesh/overlay/protocol';
import { latencies } from '../network/latency.ts';
import type { LinkOptions } from '../network/links.ts';
import type { SimulatedNode } from '../network/node.ts';
import type { Place } from '../network/place.ts';
import { World } from '../network/world.ts';
import { createIdentity, type Identity, type IdentityPlace } from './identity.ts';
import { createRememberedSeals, rememberDecoded } from './remembered-crypto.ts';

/** A network of nodes that run the real overlay, and of attackers among them. */
export interface FleetOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly linksMax: number;
  /** A name of {@link latencies}. */
  readonly latency: string;
  readonly links?: Partial<LinkOptions>;
  /** ε of the interest filters. */
  readonly epsilon?: number;
  /** Unix milliseconds at the beginning; by default noon. */
  readonly startMs?: number;
  /** Whether nodes carry sealed events of topics they do not read. */
  readonly carry?: boolean;
  /** Peers each node knows when it comes up for the first time, at random. */
  readonly seedsPerNode?: number;
  /** Whom a node knows at first instead, by number. */
  readonly seedsOf?: (index: number) => readonly number[];
  /** The local networks that a node sees; asked for once everybody has a place. */
  readonly linksOf?: (fleet: Fleet, index: number) => Links | undefined;
  /** Clocks are off by up to this, either way. */
  readonly skewMsMax?: number;
  /** Share of honest nodes that cannot be dialled. */
  readonly clientShare?: number;
  readonly sybils?: SybilOptions;
  /** Join answers are really sealed and ring proofs really computed; by default a stand-in remembers them, see `createRememberedSeals`. */
  readonly hasRealCrypto?: boolean;
}

/** Attackers: how many, who they are and what they run. Their places come after those of the honest nodes. */
export interface SybilOptions {
  readonly count: number;
  /** Networks their addresses are in; by default each has its own, as of a botnet. */
  readonly subnets?: number;
  /** Whether nodes may be given them as their first acquaintances. */
  readonly areSeeds: boolean;
  /** An identity of its choosing; by default any. */
  readonly identity?: (fleet: Fleet, at: IdentityPlace, random: Random) => Identity;
  readonly make: (fleet: Fleet, identity: Identity, random: Random) => SimulatedNode;
  /** Links an attacker holds; it has as many as it likes. */
  readonly linksMax?: number;
}

/** An honest node and what belongs to its machine. */
interface Member {
  readonly identity: Identity;
  readonly place: Place;
  readonly deviceSecret: Uint8Array;
  readonly topics: Map<string, Topic>;
  node: OverlayNode;
}

const seedsPerNodeDefault = 8;
/** All the networks that addresses can tell apart. */
const subnetsMax = 65_536;

const noLinks: Links = { linkOf: () => undefined, beyond: () => [] };

/** Makes and keeps the nodes of a simulated network. The same options and calls give the same run. */
export class Fleet {
  readonly world: World;
  readonly members: Member[] = [];
  readonly sybils: Identity[] = [];
  readonly sybilPlaces: Place[] = [];
  readonly random: Random;
  readonly #options: FleetOptions;
  /** One for all nodes: a signature is looked at once in the whole network. */
  readonly #decode: (bytes: Uint8Array) => Descriptor;
  readonly #seals: JoinSeals | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    const memory = new DescriptorMemory(4 * (options.nodes + (options.sybils?.count ?? 0)));
    this.#decode = rememberDecoded((bytes) => memory.decode(bytes));
    this.#seals = options.hasRealCrypto === true ? undefined : createRememberedSeals();
    this.random = createSeededRandom(options.seed);
    const { latency: name, linksMax, links, startMs } = options;
    const latency = latencies[name]?.(this.#fork());
    if (latency === undefined) throw new RangeError(`no latency "${name}"`);
    const worldOptions = {
      latency,
      linksMax,
      ...(links === undefined ? {} : { links }),
      ...(startMs === undefined ? {} : { startMs }),
    };
    this.world = new World(worldOptions, { random: this.#fork() });
    for (let index = 0; index < options.nodes; index += 1) this.members.push(this.#addMember(index));
    for (let index = 0; index < (options.sybils?.count ?? 0); index += 1) this.#addSybil(index);
  }

  /** Brings an honest machine up: for the first time, or again with what it knew or without. */
  start(index: number, hasMemory = false): void {
    const member = this.members[index] as Member; // callers count members
    if (member.place.isUp) return;
    const isFirst = member.place.life === 0;
    // What outlives a crash is the identity and the secret of the filter's noise; with memory the filters shown before and
    // the peers known last, too.
    const known = hasMemory ? member.node.view : this.#seeds(index);
    const interestState = hasMemory ? member.node.interestState() : undefined;
    if (!isFirst) member.node = this.#createNode(member.identity, member.deviceSecret, index, interestState);
    this.world.start(member.place, known.length > 0 ? known : this.#seeds(index), member.node);
    for (const topic of member.topics.values()) this.#subscribe(member, topic);
  }

  startSybil(index: number): void {
    const place = this.sybilPlaces[index] as Place; // callers count sybils
    if (!place.isUp) this.world.start(place, this.#seeds());
  }

  /** Has a node read a topic, now and after each restart. */
  subscribe(index: number, topic: Topic): void {
    const member = this.members[index] as Member; // callers count members
    member.topics.set(topic.name, topic);
    this.#subscribe(member, topic);
  }

  /** False where the node is down. */
  publish(index: number, topic: Topic, data: Uint8Array, eventClass: 'normal' | 'urgent' = 'normal'): boolean {
    const { place, node } = this.members[index] as Member; // callers count members
    if (!place.isUp) return false;
    this.world.act(place, (nowMs) => node.publish(topic, data, { class: eventClass }, nowMs).outputs);
    return true;
  }

  /** An honest-coded node for an attacker to wear. */
  createNode(identity: Identity): OverlayNode {
    return this.#createNode(identity, this.random.bytes(32), undefined);
  }

  #subscribe(member: Member, topic: Topic): void {
    this.world.act(member.place, (nowMs) => member.node.subscribe(topic, {}, nowMs));
  }

  #addMember(index: number): Member {
    const { skewMsMax = 0, clientShare = 0 } = this.#options;
    const isClient = this.random.float() < clientShare;
    const made = createIdentity({ index, subnets: subnetsMax, startMs: this.world.startMs }, this.random);
    const identity = isClient ? { ...made, addresses: [] } : made;
    const deviceSecret = this.random.bytes(32);
    const node = this.#createNode(identity, deviceSecret, index);
    const skewMs = Math.round((2 * this.random.float() - 1) * skewMsMax);
    const { peer } = identity.descriptor;
    const place = this.world.add({ peer, node, skewMs, isDialable: !isClient });
    return { identity, place, deviceSecret, topics: new Map(), node };
  }

  #addSybil(index: number): void {
    const { sybils } = this.#options;
    if (sybils === undefined) return;
    const { subnets = subnetsMax, linksMax = 100_000 } = sybils;
    const at = { index: this.#options.nodes + index, subnets, startMs: this.world.startMs };
    const identity = sybils.identity?.(this, at, this.random) ?? createIdentity(at, this.random);
    this.sybils.push(identity);
    const node = sybils.make(this, identity, this.#fork());
    const { peer } = identity.descriptor;
    this.sybilPlaces.push(this.world.add({ peer, node, isByzantine: true, linksMax }));
  }

  #createNode(
    identity: Identity,
    deviceSecret: Uint8Array,
    index: number | undefined,
    interestState?: Uint8Array,
  ): OverlayNode {
    const { linksMax, epsilon, carry } = this.#options;
    return new OverlayNode(
      {
        signer: identity.signer,
        addresses: identity.addresses,
        deviceSecret,
        linksMax,
        ...(epsilon === undefined ? {} : { epsilon }),
        ...(carry === undefined ? {} : { carry }),
        ...(interestState === undefined ? {} : { interestState }),
      },
      {
        random: this.#fork(),
        decode: this.#decode,
        ...(index === undefined ? {} : this.#linksOf(index)),
        ...(this.#seals === undefined ? {} : { seals: this.#seals }),
      },
    );
  }

  /** The local networks of a node: asked for later, since the others on them are not made yet. */
  #linksOf(index: number): { readonly links?: Links } {
    const { linksOf } = this.#options;
    if (linksOf === undefined) return {};
    const links = () => linksOf(this, index) ?? noLinks;
    return { links: { linkOf: (peer) => links().linkOf(peer), beyond: (link) => links().beyond(link) } };
  }

  /** First acquaintances. Places of attackers follow those of the honest. */
  #seeds(member?: number): readonly Descriptor[] {
    const { nodes, sybils, seedsPerNode = seedsPerNodeDefault, seedsOf } = this.#options;
    if (seedsOf !== undefined && member !== undefined) {
      return seedsOf(member).flatMap((index) => this.members[index]?.identity.descriptor ?? []);
    }
    const from = nodes + (sybils?.areSeeds === true ? this.sybils.length : 0);
    return Array.from({ length: Math.min(seedsPerNode, from) }, () => {
      let index = this.random.integer(from);
      // Somebody who is there is named rather than somebody who is not, as by a bootstrap node.
      for (let tries = 0; tries < 8 && this.world.places[index]?.isUp !== true; tries += 1) {
        index = this.random.integer(from);
      }
      const identity = index < nodes ? this.members[index]?.identity : this.sybils[index - nodes];
      return (identity as Identity).descriptor; // below the count of both
    });
  }

  /** A generator of its own for one part, so that what one part draws changes nothing for the others. */
  #fork(): Random {
    return createSeededRandom(this.random.integer(2 ** 32));
  }
}
