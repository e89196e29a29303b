import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import { type EventContent, keyOfBytes, readEventHead, type SignaturePolicy } from '../events/event.ts';
import type { CarryMessage, EventMessage, HaveMessage, RingMessage, WantMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { Carriage } from './carriage.ts';
import { Carriers } from './carriers.ts';
import type { CarryMode } from './carry-limits.ts';
import { DialBudget } from './dial-budget.ts';
import { Dissemination, type DisseminationCounts, type Publication } from './dissemination.ts';
import { type RefusalKind, Refusals } from './refusals.ts';
import { RingGossip } from './ring-gossip.ts';
import { type RingParameters, ringParameters } from './ring-parameters.ts';
import type { RingShape } from './topic-ring.ts';
import { wantedPeersOf } from './wanted-peers.ts';

/** How the rings of a node behave. */
export interface RingsOptions {
  readonly parameters?: Partial<RingParameters>;
  /** Whether events are signed by their authors; the default is that all are. */
  readonly signaturePolicy?: SignaturePolicy;
  /** Whether others carry this node's events, and it those of others; by default neither. */
  readonly carry?: CarryMode;
}

/** What the rings need from around them. */
export interface RingsDependencies {
  readonly random: Random;
  /** Our own descriptor as it is now; its key stays the same. */
  readonly self: () => Descriptor;
  /** Peers with an open connection, kept up to date by its owner. */
  readonly connections: ReadonlySet<PeerId>;
  /** Whether the application has to accept a topic's events before they go on, see {@link Rings.validated}. Default: none. */
  readonly mustValidate?: (topic: Topic) => boolean;
}

/** Other members of one topic, for those who look from outside. */
export interface RingView {
  readonly shapes: readonly RingShape[];
  readonly memberCount: number;
  /** Whether there are 2r proven neighbours: in smaller topics never. */
  readonly isComplete: boolean;
}

/** Limits of the rings of one node. */
export const ringsLimits = {
  topicsMax: 10_000,
  /** At least so often something is looked at, milliseconds. */
  tickMs: 10_000,
  /** Messages about carrying that wait for the next wake; past it they are left to the next time all are asked. */
  pendingMax: 10_000,
} as const;

/**
 * The rings of all topics that a node reads, and the events on them (spec overlay §6). A machine: methods take what came in
 * and the time in unix milliseconds, and return what to do.
 */
export class Rings {
  readonly #parameters: RingParameters;
  readonly #dependencies: RingsDependencies;
  readonly #refusals = new Refusals();
  readonly #topics = new Map<string, RingGossip>();
  /** Routes in the epochs that matter now. */
  readonly #routes = new Map<string, { readonly gossip: RingGossip; readonly epoch: number }>();
  readonly #dissemination: Dissemination;
  /** Who carries for us, where we ask for that, and what we carry for others, where we offer it. */
  readonly #carriers: Carriers | null;
  readonly #carriage: Carriage | null;
  readonly #dials: DialBudget;
  /** What is to be done at the next {@link wake}. */
  #pending: NodeOutput[] = [];
  #routeEpochs: readonly number[] = [];
  #tickAtMs = Number.POSITIVE_INFINITY;
  /** When the first ring is due. Computed when asked for, since drivers ask after each input; null after one that may change it. */
  #ringDueAtMs: number | null = null;

  constructor(options: RingsOptions, dependencies: RingsDependencies) {
    this.#parameters = { ...ringParameters, ...options.parameters };
    this.#dependencies = dependencies;
    this.#dials = new DialBudget(this.#parameters.dials);
    const { random, connections, mustValidate = () => false } = dependencies;
    const refusals = this.#refusals;
    this.#carriers = options.carry?.asks === true ? new Carriers({ refusals, connections }) : null;
    this.#carriage = options.carry?.offers === true ? new Carriage({ refusals }) : null;
    this.#dissemination = new Dissemination(this.#parameters, options.signaturePolicy ?? 'StrictSign', {
      random,
      refusals,
      mustValidate,
      isConnected: (peer) => connections.has(peer),
      carriers: (topic) => this.#carriers?.of(topic.name) ?? [],
    });
  }

  /** What was refused so far, by kind. */
  get refusals(): ReadonlyMap<RefusalKind, number> {
    return this.#refusals.counts;
  }

  get counts(): DisseminationCounts {
    return this.#dissemination.counts;
  }

  /** When {@link wake} wants to be called, unix milliseconds. */
  get dueAtMs(): number {
    if (this.#pending.length > 0) return 0;
    this.#ringDueAtMs ??= this.#nextRingDueAtMs();
    const { dueAtMs } = this.#dissemination;
    const carryDueAtMs = Math.min(this.#carriage?.dueAtMs ?? this.#tickAtMs, this.#carriers?.dueAtMs ?? this.#tickAtMs);
    return Math.min(this.#ringDueAtMs, this.#tickAtMs, dueAtMs, carryDueAtMs);
  }

  get topics(): Topic[] {
    return [...this.#topics.values()].map((gossip) => gossip.topic);
  }

  /** Takes part in a topic. False where that is done already, or the node reads as many topics as it can. */
  join(topic: Topic, nowMs: number): boolean {
    this.#ringDueAtMs = null;
    if (this.#topics.has(topic.name) || this.#topics.size >= ringsLimits.topicsMax) return false;
    const { random, self, connections } = this.#dependencies;
    const gossip = new RingGossip(topic, this.#parameters, {
      ...{ random, self, connections, refusals: this.#refusals },
      topicCount: () => this.#topics.size,
      mayAsk: (descriptor, nowMs) => this.#mayAsk(descriptor, topic, nowMs),
    });
    gossip.refreshEpochs(nowMs);
    this.#topics.set(topic.name, gossip);
    this.#refreshRoutes(nowMs);
    for (const epoch of this.#routeEpochs) this.#addRoute(gossip, epoch);
    this.#tickAtMs = Math.min(this.#tickAtMs, nowMs);
    this.#later(this.#carriers?.ask([gossip], this.#dependencies.connections, nowMs));
    return true;
  }

  /** Leaves a topic and says so to the members that reckon with us. */
  leave(topic: Topic, nowMs: number): NodeOutput[] {
    this.#ringDueAtMs = null;
    const gossip = this.#topics.get(topic.name);
    if (gossip === undefined) return [];
    this.#topics.delete(topic.name);
    for (const [route, known] of this.#routes) if (known.gossip === gossip) this.#routes.delete(route);
    this.#dissemination.drop(topic.name);
    return [...gossip.leave(nowMs), ...(this.#carriers?.leave(topic.name) ?? [])];
  }

  /** Peers that are said to read a topic: from a join answer, an invitation, or views of others. They have yet to prove it. */
  addCandidates(topic: Topic, descriptors: readonly Descriptor[], nowMs: number): void {
    this.#ringDueAtMs = null;
    this.#topics.get(topic.name)?.addCandidates(descriptors, nowMs);
  }

  /** Peers that proved that they read a topic, as far as they are remembered. */
  members(topic: Topic): PeerId[] {
    return [...(this.#topics.get(topic.name)?.ring.subscribers.named() ?? [])];
  }

  /** Descriptors of proven members, for answers to join queries: `count` of them at random. */
  membersToTell(topic: Topic, count: number): Descriptor[] {
    const members = [...(this.#topics.get(topic.name)?.ring.members.values() ?? [])];
    const proven = members.filter((member) => member.isProven).map((member) => member.descriptor);
    return this.#dependencies.random.shuffle(proven).slice(0, count);
  }

  /** Neighbours of ours in any ring, each once, as they described themselves. */
  neighbours(): Descriptor[] {
    const found = new Map<PeerId, Descriptor>();
    for (const { ring } of this.#topics.values()) {
      for (const { successors, predecessors } of ring.shapes) {
        for (const peer of [...successors, ...predecessors]) {
          const member = ring.members.get(peer);
          if (member !== undefined) found.set(peer, member.descriptor);
        }
      }
    }
    return [...found.values()];
  }

  /** The descriptor of a peer that is, or is said to be, a member of a topic of ours. */
  descriptorOf(peer: PeerId): Descriptor | undefined {
    for (const { ring } of this.#topics.values()) {
      const member = ring.members.get(peer);
      if (member !== undefined) return member.descriptor;
    }
    return undefined;
  }

  /** Whether a route is that of a topic of ours, of which `peer` is no member as far as we know. */
  isGuest(peer: PeerId, routeKey: string): boolean {
    const known = this.#routes.get(routeKey);
    return known !== undefined && !known.gossip.ring.isProven(peer);
  }

  view(topic: Topic): RingView {
    const ring = this.#topics.get(topic.name)?.ring;
    const { neighboursPerSide } = this.#parameters;
    return {
      shapes: ring?.shapes ?? [],
      memberCount: ring?.subscribers.namedCount ?? 0,
      isComplete: (ring?.neighbourCount ?? 0) >= 2 * neighboursPerSide,
    };
  }

  /** Whom a connection is worth keeping to, the most important first; see {@link wantedPeersOf}. */
  wantedPeers(): PeerId[] {
    const rings = [...this.#topics.values()].map((gossip) => gossip.ring);
    return wantedPeersOf(rings, this.#dependencies.connections, this.#dissemination.givers());
  }

  /**
   * Sends an event on its way; `outputs` name who gets it first. It stays at hand for members that show up within half a
   * minute. Null for a topic that was not joined. @throws {EventTooLargeError}
   */
  publish(topic: Topic, content: EventContent, nowMs: number): Publication | null {
    const gossip = this.#topics.get(topic.name);
    return gossip === undefined ? null : this.#dissemination.publish(gossip, content, nowMs);
  }

  /** The application has looked at an event that waited for its word. */
  validated(topic: Topic, id: Uint8Array, isAccepted: boolean, nowMs: number): NodeOutput[] {
    const gossip = this.#topics.get(topic.name);
    return gossip === undefined ? [] : this.#dissemination.validated(id, isAccepted, gossip, nowMs);
  }

  wake(nowMs: number): NodeOutput[] {
    this.#ringDueAtMs = null;
    const isTick = this.#tickAtMs <= nowMs;
    if (this.#topics.size === 0) this.#tickAtMs = Number.POSITIVE_INFINITY;
    else if (isTick) this.#tickAtMs = nowMs + ringsLimits.tickMs;
    if (isTick) this.#refreshRoutes(nowMs);
    const outputs = [...this.#pending, ...this.#dissemination.wake(nowMs)];
    this.#pending = [];
    const dialled = new Set<PeerId>();
    for (const gossip of this.#topics.values()) {
      if (isTick) gossip.refreshEpochs(nowMs);
      if (gossip.dueAtMs > nowMs) continue;
      for (const output of gossip.wake(nowMs)) {
        outputs.push(output);
        if (output.kind !== 'send') continue;
        outputs.push(...this.#dissemination.recap(output.to, gossip, nowMs));
        if (!this.#dependencies.connections.has(output.to)) dialled.add(output.to);
      }
    }
    for (const peer of dialled)
      for (const gossip of this.#topics.values()) outputs.push(...gossip.askAlong(peer, nowMs));
    outputs.push(...(this.#carriers?.wake([...this.#topics.values()], nowMs) ?? []));
    outputs.push(...(this.#carriage?.wake(nowMs) ?? []));
    return outputs;
  }

  /** Whether a ring may ask a peer now: one without a connection costs a dial, and one without an address as well cannot be had. */
  #mayAsk({ peer, addresses }: Descriptor, topic: Topic, nowMs: number): boolean {
    if (this.#dependencies.connections.has(peer)) return true;
    if (addresses.length === 0) return false;
    return (
      this.#topics.size <= this.#parameters.fewTopicsMax || this.#dials.take(peer, topic.name, this.#topics.size, nowMs)
    );
  }

  onRing(from: PeerId, message: RingMessage, nowMs: number): NodeOutput[] {
    this.#ringDueAtMs = null;
    const known = this.#routes.get(keyOfBytes(message.route));
    if (known === undefined) return this.#refuse('unknown-route');
    const wasProven = known.gossip.ring.isProven(from);
    const outputs = known.gossip.onRing(from, message, known.epoch, nowMs);
    // Both sides of an exchange name what the other may have missed. Who asks for the first time does not know us yet, and
    // would refuse it where it overtakes our answer.
    if (message.isReply || wasProven) outputs.push(...this.#dissemination.recap(from, known.gossip, nowMs));
    return outputs;
  }

  onEvent(from: PeerId, message: EventMessage, nowMs: number): NodeOutput[] {
    const head = readEventHead(message.bytes);
    if (head === null) return this.#refuse('malformed');
    const known = this.#routes.get(head.routeKey);
    if (known !== undefined) {
      const news = known.gossip.heard(from, nowMs);
      const outputs = this.#dissemination.onEvent(from, message, head, known.gossip, nowMs);
      return news.length === 0 ? outputs : [...news, ...outputs];
    }
    return this.#carriage?.onEvent(from, message, head, nowMs) ?? this.#refuse('unknown-route');
  }

  onHave(from: PeerId, message: HaveMessage, nowMs: number): NodeOutput[] {
    const known = this.#routes.get(keyOfBytes(message.route));
    if (known === undefined) return this.#refuse('unknown-route');
    return [...known.gossip.spoke(from, nowMs), ...this.#dissemination.onHave(from, message, known.gossip, nowMs)];
  }

  onWant(from: PeerId, message: WantMessage, nowMs: number): NodeOutput[] {
    const known = this.#routes.get(keyOfBytes(message.route));
    if (known === undefined) return this.#refuse('unknown-route');
    return [...known.gossip.spoke(from, nowMs), ...this.#dissemination.onWant(from, message, known.gossip, nowMs)];
  }

  /** A peer asks us to carry a route's events, or answers; nothing happens unless {@link RingsOptions.carry} says so. */
  onCarry(from: PeerId, message: CarryMessage, nowMs: number): NodeOutput[] {
    if (!message.isAnswer && this.#carriage !== null) return this.#carriage.onCarry(from, message, nowMs);
    if (message.isAnswer && this.#carriers !== null) this.#carriers.onAnswer(from, message);
    else this.#refuse('unasked');
    return [];
  }

  connected(peer: PeerId, nowMs: number): void {
    this.#ringDueAtMs = null;
    for (const gossip of this.#topics.values()) gossip.connected(peer, nowMs);
    this.#carriers?.connected(peer, nowMs);
  }

  /**
   * A connection is gone. Where it broke, the peer may be well, and is asked soon where it matters. One that an end let go
   * for want of room says nothing about the peer: to ask would open it again, and close another one for it.
   */
  disconnected(peer: PeerId, nowMs: number, why: 'closed' | 'lost' = 'lost'): void {
    this.#ringDueAtMs = null;
    this.#carriers?.disconnected(peer);
    this.#later(this.#carriage?.disconnected(peer));
    for (const gossip of this.#topics.values()) {
      const isOutOfReach = gossip.ring.members.get(peer)?.descriptor.addresses.length === 0;
      if (why === 'lost' || isOutOfReach) gossip.doubt(peer, nowMs);
    }
  }

  /** A peer cannot be reached: it is replaced at once in all rings. */
  unreachable(peer: PeerId, nowMs: number): NodeOutput[] {
    this.#ringDueAtMs = null;
    const outputs: NodeOutput[] = [];
    for (const gossip of this.#topics.values()) {
      if (!gossip.ring.members.has(peer) && !gossip.ring.isProven(peer)) continue;
      outputs.push(...gossip.drop(peer, nowMs, 'lost'));
    }
    return outputs;
  }

  #nextRingDueAtMs(): number {
    let dueAtMs = Number.POSITIVE_INFINITY;
    for (const gossip of this.#topics.values()) dueAtMs = Math.min(dueAtMs, gossip.dueAtMs);
    return dueAtMs;
  }

  #refreshRoutes(nowMs: number): void {
    const { routeOverlapMs, routeLeadMs } = this.#parameters;
    const first = epochAt(nowMs - routeOverlapMs, epochMs.ring);
    const last = epochAt(nowMs + routeLeadMs, epochMs.ring);
    const epochs = first === last ? [first] : [first, last];
    if (epochs.length === this.#routeEpochs.length && epochs.every((epoch, at) => epoch === this.#routeEpochs[at]))
      return;
    this.#routeEpochs = epochs;
    this.#routes.clear();
    for (const gossip of this.#topics.values()) for (const epoch of epochs) this.#addRoute(gossip, epoch);
  }

  #addRoute(gossip: RingGossip, epoch: number): void {
    this.#routes.set(keyOfBytes(gossip.topic.route(epoch)), { gossip, epoch });
  }

  #later(outputs: readonly NodeOutput[] = []): void {
    if (this.#pending.length < ringsLimits.pendingMax) this.#pending.push(...outputs);
  }

  #refuse(kind: RefusalKind): NodeOutput[] {
    this.#refusals.count(kind);
    return [];
  }
}
