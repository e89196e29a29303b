import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { Clustering } from '../clustering/clustering.ts';
import type { ClusteringOptions } from '../clustering/clustering-options.ts';
import { createDescriptor, type Descriptor, interestDigestOf } from '../descriptor.ts';
import { exactInterest } from '../interest/exact-interest.ts';
import { defaultFilterShape, drawFilter, type InterestFilter } from '../interest/interest-filter.ts';
import type { Outgoing } from '../message.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import type { Trust } from '../trust.ts';

/** Trust of a node that knows nobody. */
export const noTrust: Trust = { of: () => 0, heard: () => {}, forget: () => {}, friends: () => [] };

/** A peer of {@link createClusteredNetwork}. */
export interface ClusteredPeer {
  readonly descriptor: Descriptor;
  readonly filter: InterestFilter;
  readonly topics: readonly Topic[];
  readonly sampled: Descriptor[];
  readonly clustering: Clustering;
}

/** How a network of clustering machines is made. */
export interface ClusteredNetworkOptions {
  readonly seed: number;
  /** What each peer reads; their number is the network's size. */
  readonly topics: readonly (readonly Topic[])[];
  /** ε of all filters, default 3. */
  readonly epsilon?: number;
  /** Random peers that each is given, default 20. */
  readonly sampled?: number;
  readonly options?: Partial<ClusteringOptions>;
  /** When it begins, unix milliseconds. */
  readonly nowMs: number;
}

/** Descriptors, filters and clustering machines without a network between them: messages arrive at once. */
export interface ClusteredNetwork {
  readonly peers: readonly ClusteredPeer[];
  of(peer: PeerId): ClusteredPeer;
  readonly random: Random;
  /** Lets all do what is due at `nowMs` and hands their messages over until all is quiet. */
  run(nowMs: number): void;
}

export function createClusteredNetwork(init: ClusteredNetworkOptions): ClusteredNetwork {
  const random = createSeededRandom(init.seed);
  const members = init.topics.map((topics, index) => createMember(topics, index, init, random));
  const peers = members.map((member): ClusteredPeer => {
    const others = members.filter((other) => other !== member).map(({ descriptor }) => descriptor);
    const sampled = random.shuffle(others).slice(0, init.sampled ?? 20);
    const around = {
      self: () => member.descriptor,
      shownFilter: () => member.filter,
      exactInterest: (epoch: number) => exactInterest(member.topics, epoch, defaultFilterShape),
      sampled: () => sampled,
      ringNeighbours: () => [],
      isConnected: (peer: PeerId) => sampled.slice(0, sampled.length / 2).some((one) => one.peer === peer),
    };
    return { ...member, sampled, clustering: new Clustering(around, { random, trust: noTrust }, init.options) };
  });
  const byId = new Map(peers.map((peer) => [peer.descriptor.peer, peer]));
  const of = (peer: PeerId) => byId.get(peer) as ClusteredPeer; // ids of this network only
  const run = (nowMs: number) => {
    for (const peer of random.shuffle(peers)) {
      if (peer.clustering.dueAtMs <= nowMs) pump(peer, peer.clustering.wake(nowMs), of, nowMs);
    }
  };
  return { peers, of, random, run };
}

function createMember(topics: readonly Topic[], index: number, init: ClusteredNetworkOptions, random: Random) {
  const epoch = epochAt(init.nowMs, epochMs.filter);
  const epsilonMilli = 1_000 * (init.epsilon ?? 3);
  const draw = { shape: defaultFilterShape, epsilonMilli, epoch, salt: random.bytes(16) };
  const positions = exactInterest(topics, epoch, defaultFilterShape).positions;
  const filter = drawFilter(draw, positions, random.bytes(32));
  const content = {
    addresses: [`/ip4/10.${index >> 8}.${index & 255}.1/tcp/4001`],
    version: init.nowMs,
    expiresAtSeconds: Math.floor(init.nowMs / 1_000) + 20 * 3_600,
    capabilities: 1,
    interestDigest: interestDigestOf(filter.bytes),
  };
  return { topics, filter, descriptor: createDescriptor(content, createSigner(random.bytes(32))) };
}

function pump(
  sender: ClusteredPeer,
  messages: readonly Outgoing[],
  of: (peer: PeerId) => ClusteredPeer,
  nowMs: number,
): void {
  const queue = messages.map((outgoing) => ({ sender, outgoing }));
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
    const receiver = of(item.outgoing.to);
    const answers = deliver(receiver.clustering, item.sender.descriptor.peer, item.outgoing, nowMs);
    queue.push(...answers.map((outgoing) => ({ sender: receiver, outgoing })));
  }
}

function deliver(clustering: Clustering, from: PeerId, { message }: Outgoing, nowMs: number): Outgoing[] {
  if (message.kind === 'near') return clustering.onNear(from, message, nowMs);
  if (message.kind === 'nearby') return clustering.onNearby(from, message, nowMs);
  if (message.kind === 'ask-filters') return clustering.onAskFilters(from, message, nowMs);
  return message.kind === 'filters' ? clustering.onFilters(from, message, nowMs) : [];
}
