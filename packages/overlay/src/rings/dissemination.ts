import type { Random } from '@pulsemesh/base';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import {
  createEvent,
  type EventContent,
  type EventHead,
  keyOfBytes,
  type OpenedEvent,
  openEvent,
  readEventHead,
  type SignaturePolicy,
} from '../events/event.ts';
import { EventStore, type StoredEvent } from '../events/event-store.ts';
import { SeenEvents } from '../events/seen-events.ts';
import { type EventMessage, type HaveMessage, messageLimits, type WantMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import type { Topic } from '../topic.ts';
import { carryLimits } from './carry-limits.ts';
import type { Reach } from './connected-first.ts';
import { chooseTargets, type Targets } from './forwarding.ts';
import type { Refusals } from './refusals.ts';
import type { RingParameters } from './ring-parameters.ts';
import { Served } from './served.ts';
import { chooseListeners, flowLimits, type NamedCursor, type Naming, TopicFlow } from './topic-flow.ts';
import type { TopicRing } from './topic-ring.ts';
import { type Ask, Wants } from './wants.ts';

/** Limits of dissemination. */
export const disseminationLimits = {
  /** Events that were forged, so that copies of one are looked at once. */
  rejectedMax: 1_024,
  /** Events whose forwarding waits for the application's word; a full list lets the oldest go unforwarded. */
  heldMax: 256,
  /** Members are told of events that are not older, and not younger, milliseconds. */
  recapMs: 30_000,
  recapAfterMs: 1_000,
  hopsMax: 255,
  /** Links kept for those who give events of troubled topics. */
  giversKeptMax: 8,
} as const;

type Send = Extract<NodeOutput, { readonly kind: 'send' }>;

/** A topic that is read here. */
export interface Subscription {
  readonly topic: Topic;
  readonly ring: TopicRing;
  /** The ring is looked after often for a while: events stay away. */
  quicken?(nowMs: number): void;
  /** Asks some members, who say at the same time what came lately. */
  askSome?(count: number, nowMs: number): NodeOutput[];
}

/** An event that was made here. */
export interface Publication {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** The event as it travels. */
  readonly bytes: Uint8Array;
  readonly outputs: NodeOutput[];
}

/** What passed through, for metrics. */
export interface DisseminationCounts {
  readonly delivered: number;
  readonly duplicates: number;
  /** Whole events sent, answers to `want` included. */
  readonly sent: number;
  /** Messages `have` sent. */
  readonly announced: number;
  /** Events asked for. */
  readonly wanted: number;
}

/** What dissemination needs from around it. */
export interface DisseminationDependencies {
  readonly random: Random;
  readonly refusals: Refusals;
  readonly isConnected: (peer: PeerId) => boolean;
  /** Whether the application has to accept an event before it goes on. */
  readonly mustValidate: (topic: Topic) => boolean;
  /** Peers that carry a topic's events to other members, used where a member is not connected. */
  readonly carriers: (topic: Topic) => readonly PeerId[];
}

/** Events on their way: opened once, delivered once, forwarded by {@link chooseTargets}, asked for where only announced. */
export class Dissemination {
  readonly #parameters: RingParameters;
  readonly #policy: SignaturePolicy;
  readonly #dependencies: DisseminationDependencies;
  readonly #seen = new SeenEvents();
  /** The same by author and number: whoever knows a topic's key can seal what another signed anew, under another id. */
  readonly #seenNumbers = new SeenEvents();
  readonly #store = new EventStore();
  readonly #wants = new Wants();
  readonly #rejected = new Set<string>();
  readonly #held = new Map<string, { readonly stored: StoredEvent; readonly from: PeerId }>();
  readonly #served = new Served();
  readonly #flows = new Map<string, { readonly flow: TopicFlow; readonly subscription: Subscription }>();
  #flowsAtMs = Number.POSITIVE_INFINITY;
  readonly #counts = { delivered: 0, duplicates: 0, sent: 0, announced: 0, wanted: 0 };

  constructor(parameters: RingParameters, policy: SignaturePolicy, dependencies: DisseminationDependencies) {
    this.#parameters = parameters;
    this.#policy = policy;
    this.#dependencies = dependencies;
  }

  get counts(): DisseminationCounts {
    return this.#counts;
  }

  get dueAtMs(): number {
    return Math.min(this.#wants.dueAtMs, this.#flowsAtMs);
  }

  /** Makes an event and sends it on its way. @throws {EventTooLargeError} */
  publish(subscription: Subscription, content: EventContent, nowMs: number): Publication {
    const bytes = createEvent(subscription.topic, content, nowMs, this.#dependencies.random);
    const head = readEventHead(bytes) as EventHead; // made here
    const topicKey = subscription.topic.name;
    this.#seen.add(topicKey, head.key, head.publishedAtMs, nowMs);
    const { author } = content;
    if (author !== undefined) {
      const number = numberKeyOf(peerIdOfEd25519(author.signer.publicKey), author.sequenceNumber, head.publishedAtMs);
      this.#seenNumbers.add(topicKey, number, head.publishedAtMs, nowMs);
    }
    const stored = { head, bytes, topicKey, hops: 0, storedAtMs: nowMs };
    return { id: head.id, bytes, outputs: this.#forward(subscription, stored, null, nowMs) };
  }

  /** An event of a topic that is read here came. */
  onEvent(from: PeerId, message: EventMessage, head: EventHead, subscription: Subscription, nowMs: number) {
    const { topic } = subscription;
    const sight = this.#seen.look(topic.name, head.key, head.publishedAtMs, nowMs);
    if (sight === 'seen') {
      this.#counts.duplicates += 1;
      this.#flows.get(topic.name)?.flow.cameAgain(head.key, from);
      return [];
    }
    const isAnswer = this.#wants.arrived(head.key) === from;
    if (sight !== 'new') return this.#refuse(sight);
    // Seen is asked before the seal and the signature: a copy costs one look.
    const event = this.#rejected.has(head.key) ? null : openEvent(topic, message.bytes, this.#policy);
    if (event === null || this.#isCopy(topic, event, nowMs)) {
      this.#rejected.add(head.key);
      if (this.#rejected.size > disseminationLimits.rejectedMax) deleteFirst(this.#rejected);
      return this.#refuse(event === null ? 'forged' : 'copied');
    }
    this.#seen.add(topic.name, head.key, head.publishedAtMs, nowMs);
    const isLate = isAnswer && message.bytes.length <= this.#parameters.eagerBytesMax;
    this.#flowOf(subscription, nowMs).came(head.key, from, isLate, head.publishedAtMs, nowMs);
    const hops = hopsOf(message) + 1;
    this.#counts.delivered += 1;
    const outputs: NodeOutput[] = [{ kind: 'deliver', event: { ...event, topic, hops, from } }];
    const stored = { head, bytes: message.bytes, topicKey: topic.name, hops, storedAtMs: nowMs };
    if (!this.#dependencies.mustValidate(topic)) outputs.push(...this.#forward(subscription, stored, from, nowMs));
    else this.#hold(stored, from);
    return outputs;
  }

  /** The application has looked at an event that waited for it: accepted, it goes on; else it ends here. */
  validated(id: Uint8Array, isAccepted: boolean, subscription: Subscription, nowMs: number): NodeOutput[] {
    const key = keyOfBytes(id);
    const held = this.#held.get(key);
    this.#held.delete(key);
    if (held === undefined || !isAccepted) return [];
    // From now on it can be given: those who were told of others meanwhile are told of it.
    return this.#forward(subscription, { ...held.stored, storedAtMs: nowMs }, held.from, nowMs);
  }

  /** A member can give events that may be missing here. */
  onHave(from: PeerId, message: HaveMessage, subscription: Subscription, nowMs: number): NodeOutput[] {
    if (!subscription.ring.isProven(from)) return this.#refuse('unproven');
    if (message.ids.length > messageLimits.idsMax) return this.#refuse('too-many');
    const topicKey = subscription.topic.name;
    const ids: Uint8Array[] = [];
    for (const id of message.ids) {
      const key = id.length === messageLimits.eventIdBytes ? keyOfBytes(id) : '';
      // Its time is not known yet: only whether it was seen can be asked.
      const isKnown = this.#seen.look(topicKey, key, nowMs, nowMs) === 'seen' || this.#rejected.has(key);
      if (key === '' || isKnown) continue;
      const isAsked = this.#wants.announce(key, { peer: from, topicKey, route: message.route, id }, nowMs);
      if (isAsked === 'full') this.#dependencies.refusals.count('too-many');
      else if (isAsked) ids.push(id);
    }
    return ids.length === 0 ? [] : [this.#want(from, message.route, ids)];
  }

  /** A member asks for events. */
  onWant(from: PeerId, message: WantMessage, subscription: Subscription, nowMs: number): NodeOutput[] {
    if (!subscription.ring.isProven(from)) return this.#refuse('unproven');
    if (message.ids.length > messageLimits.idsMax) return this.#refuse('too-many');
    const outputs: NodeOutput[] = [];
    let isHungry = false;
    for (const id of new Set(message.ids.filter((one) => one.length === messageLimits.eventIdBytes).map(keyOfBytes))) {
      const stored = this.#store.get(id);
      if (stored === undefined || stored.topicKey !== subscription.topic.name) continue;
      if (!this.#served.take(from, id, stored.bytes.length, nowMs)) {
        this.#dependencies.refusals.count('too-often');
        break;
      }
      outputs.push(this.#event(from, stored));
      const isEager = stored.bytes.length <= this.#parameters.eagerBytesMax;
      const flow = this.#flowOf(subscription, nowMs);
      if (isEager && flow.asked(from, nowMs - stored.storedAtMs, nowMs)) isHungry = true;
    }
    // Who lacks one event probably lacks others of that time.
    return isHungry ? [...outputs, ...this.recap(from, subscription, nowMs)] : outputs;
  }

  /** Names the events of the last half minute to a member that may have missed them. */
  recap(to: PeerId, subscription: Subscription, nowMs: number): NodeOutput[] {
    const member = subscription.ring.members.get(to);
    if (!member?.isProven) return [];
    const { recapMs, recapAfterMs } = disseminationLimits;
    // Who is new gets all; others probably have what came just now, or will.
    const untilMs = member.recappedAtMs === 0 ? nowMs : nowMs - recapAfterMs;
    const sinceMs = Math.max(member.recappedAtMs, nowMs - recapMs);
    member.recappedAtMs = untilMs;
    const events = this.#store.recent(subscription.topic.name, sinceMs, untilMs, messageLimits.idsMax);
    return this.#announce(to, events);
  }

  /** Asks others for what did not come, and lets go what is old. */
  wake(nowMs: number): NodeOutput[] {
    this.#store.expire(nowMs);
    this.#seen.expire(nowMs);
    this.#seenNumbers.expire(nowMs);
    const asks = this.#wants.wake(nowMs).map((ask: Ask) => this.#want(ask.peer, ask.route, [ask.id]));
    return this.#flowsAtMs <= nowMs ? [...asks, ...this.#wakeFlows(nowMs)] : asks;
  }

  /** Forgets what waits for a topic that was left; its ids stay, so that a return repeats nothing. */
  drop(topicKey: string): void {
    this.#store.drop(topicKey);
    this.#wants.drop(topicKey);
    this.#flows.delete(topicKey);
    for (const [key, held] of this.#held) if (held.stored.topicKey === topicKey) this.#held.delete(key);
  }

  /** Peers whose connections are worth keeping because they give events of troubled topics, the latest first; a few. Null where none is troubled. */
  givers(): PeerId[] | null {
    let isTroubled = false;
    const givers = new Set<PeerId>();
    for (const { flow } of this.#flows.values()) {
      if (!flow.wasTroubled) continue;
      isTroubled = true;
      for (const peer of flow.givers()) if (givers.size < disseminationLimits.giversKeptMax) givers.add(peer);
    }
    return isTroubled ? [...givers] : null;
  }

  #flowOf(subscription: Subscription, nowMs: number): TopicFlow {
    const known = this.#flows.get(subscription.topic.name);
    if (known !== undefined) return known.flow;
    const flow = new TopicFlow(nowMs);
    this.#flows.set(subscription.topic.name, { flow, subscription });
    return flow;
  }

  /** Names the last events to some members of each topic that has any, to more where events had to be asked for. */
  #wakeFlows(nowMs: number): NodeOutput[] {
    const outputs: NodeOutput[] = [];
    this.#flowsAtMs = Number.POSITIVE_INFINITY;
    for (const { flow, subscription } of this.#flows.values()) {
      if (!flow.isActive(nowMs)) continue;
      this.#flowsAtMs = nowMs + flowLimits.tickMs;
      if (flow.wake(nowMs)) subscription.quicken?.(nowMs);
      if (flow.isSilent(nowMs)) outputs.push(...(subscription.askSome?.(flowLimits.silence.members, nowMs) ?? []));
      const naming = flow.naming(nowMs);
      const connectedShare = this.#connectedShare(subscription.ring, flow, nowMs);
      const unconnectedMax = flow.mayExplore(nowMs) ? naming.unconnectedMax : 0;
      const named = this.#name(subscription, 'namedAtMs', { ...naming, connectedShare, unconnectedMax }, nowMs);
      if (!named.every(({ to }) => this.#dependencies.isConnected(to))) flow.explored(nowMs);
      outputs.push(...named);
      if (!flow.hasOwn(nowMs)) continue;
      // What only liars were given nobody else has: these are looked for among all members.
      const own = { ...flowLimits.own, connectedShare: this.#parameters.connectedShare };
      outputs.push(...this.#name(subscription, 'ownNamedAtMs', own, nowMs));
    }
    return outputs;
  }

  #name({ ring, topic }: Subscription, cursor: NamedCursor, naming: Naming & Reach, nowMs: number): Send[] {
    const untilMs = nowMs - naming.afterMs;
    const isToName = cursor === 'namedAtMs' ? () => true : (event: StoredEvent) => event.hops === 0;
    const listeners = chooseListeners(ring, naming.members, cursor, naming, this.#dependencies);
    return listeners.flatMap((member) => {
      const sinceMs = Math.max(untilMs - naming.spanMs, member[cursor], member.recappedAtMs);
      member[cursor] = untilMs;
      const recent = this.#store.recent(topic.name, sinceMs, untilMs, messageLimits.idsMax);
      return this.#announce(member.peer, recent.filter(isToName));
    });
  }

  /** Whether a signed event was here before in another seal; one that was not is remembered. */
  #isCopy(topic: Topic, { author, publishedAtMs }: OpenedEvent, nowMs: number): boolean {
    if (author === undefined) return false;
    const number = numberKeyOf(author.peer, author.sequenceNumber, publishedAtMs);
    return this.#seenNumbers.add(topic.name, number, publishedAtMs, nowMs) !== 'new';
  }

  #hold(stored: StoredEvent, from: PeerId): void {
    this.#held.set(stored.head.key, { stored, from });
    if (this.#held.size <= disseminationLimits.heldMax) return;
    this.#held.delete(this.#held.keys().next().value as string);
    this.#dependencies.refusals.count('too-many');
  }

  #forward(subscription: Subscription, stored: StoredEvent, from: PeerId | null, nowMs: number): NodeOutput[] {
    this.#store.put(stored);
    const { ring, topic } = subscription;
    const flow = this.#flowOf(subscription, nowMs);
    const targets = chooseTargets(
      {
        shapes: ring.shapes,
        shortcuts: this.#shortcuts(ring),
        from,
        fanOut: this.#fanOut(ring, stored.head, nowMs),
        connectedShare: this.#connectedShare(ring, flow, nowMs, stored.head.class === 'urgent'),
      },
      this.#dependencies,
    );
    const eager = flow.eager(nowMs).filter((peer) => peer !== from && ring.isProven(peer));
    const beside = [...new Set([...targets.random, ...eager])].filter((peer) => !targets.ring.includes(peer));
    const { ring: whole, random: some } = this.#reachable(topic, { ring: targets.ring, random: beside }, from);
    const isDialled = (peer: PeerId) => some.includes(peer) && !this.#dependencies.isConnected(peer);
    if (targets.random.some(isDialled)) flow.explored(nowMs);
    flow.forwarded(stored.head.key, [...whole, ...some], from === null, nowMs);
    this.#flowsAtMs = Math.min(this.#flowsAtMs, nowMs + flowLimits.tickMs);
    const isLarge = stored.bytes.length > this.#parameters.eagerBytesMax;
    const outputs = whole.map((peer) => this.#event(peer, stored));
    for (const peer of some) {
      outputs.push(...(isLarge ? this.#announce(peer, [stored]) : [this.#event(peer, stored)]));
    }
    return outputs;
  }

  /** Where others carry for us, they get what is for members without a connection; else those get one. */
  #reachable(topic: Topic, targets: Targets, from: PeerId | null): Targets {
    const { random, isConnected } = this.#dependencies;
    const carriers = this.#dependencies.carriers(topic).filter((peer) => peer !== from);
    if (carriers.length === 0) return targets;
    const ring = targets.ring.filter(isConnected);
    if (ring.length < targets.ring.length) {
      ring.push(...random.shuffle(carriers).slice(0, carryLimits.carriersPerEvent));
    }
    return { ring, random: targets.random.filter(isConnected) };
  }

  /** Random targets: members elsewhere on the ring; in small topics, where hardly any is elsewhere, all. */
  #shortcuts(ring: TopicRing): PeerId[] {
    const far = ring.shortcuts.length >= this.#parameters.shortcutsMax / 2 ? ring.shortcuts : ring.members.values();
    const peers: PeerId[] = [];
    for (const member of far) if (member.isProven) peers.push(member.peer);
    return peers;
  }

  #fanOut(ring: TopicRing, head: EventHead, nowMs: number): number {
    const { fanOut, smallTopicMembersMax, mediumTopicMembersMax } = this.#parameters;
    if (head.class === 'urgent') return fanOut.urgent;
    if (!this.#isStill(ring, nowMs)) return fanOut.normal;
    if (ring.members.size < smallTopicMembersMax) return fanOut.small;
    const isMedium = ring.sizeEstimate <= mediumTopicMembersMax;
    return isMedium && this.#dependencies.random.integer(2) === 0 ? fanOut.small : fanOut.normal;
  }

  #isStill(ring: TopicRing, nowMs: number): boolean {
    const newest = ring.epochs.at(-1);
    return newest !== undefined && nowMs - ring.changedAtMs(newest) >= this.#parameters.stillMs;
  }

  /** 1 where it is not yet time to look among those without a connection again. */
  #connectedShare(ring: TopicRing, flow: TopicFlow, nowMs: number, isUrgent = false): number {
    const { connectedShare, connectedShareCalm } = this.#parameters;
    if (!isUrgent && !flow.mayExplore(nowMs)) return 1;
    return flow.isTroubled(nowMs) || !this.#isStill(ring, nowMs) ? connectedShare : connectedShareCalm;
  }

  #event(to: PeerId, stored: StoredEvent): NodeOutput {
    this.#counts.sent += 1;
    return { kind: 'send', to, message: { kind: 'event', bytes: stored.bytes, hops: stored.hops } };
  }

  /** One message a route: around midnight there are two. */
  #announce(to: PeerId, events: readonly StoredEvent[]): Send[] {
    const byRoute = new Map<string, StoredEvent[]>();
    for (const event of events) {
      const same = byRoute.get(event.head.routeKey);
      if (same === undefined) byRoute.set(event.head.routeKey, [event]);
      else same.push(event);
    }
    return [...byRoute.values()].map((same) => {
      this.#counts.announced += 1;
      const route = (same[0] as StoredEvent).head.route; // there is one in each
      return { kind: 'send', to, message: { kind: 'have', route, ids: same.map((event) => event.head.id) } };
    });
  }

  #want(to: PeerId, route: Uint8Array, ids: readonly Uint8Array[]): NodeOutput {
    this.#counts.wanted += ids.length;
    return { kind: 'send', to, message: { kind: 'want', route, ids } };
  }

  #refuse(kind: 'forged' | 'copied' | 'too-old' | 'too-early' | 'unproven' | 'too-many'): NodeOutput[] {
    this.#dependencies.refusals.count(kind);
    return [];
  }
}

function hopsOf(message: EventMessage): number {
  return Number.isInteger(message.hops) && message.hops >= 0
    ? Math.min(message.hops, disseminationLimits.hopsMax - 1)
    : 0;
}

/** What one signed event has in common with its copies; all of it is signed. */
function numberKeyOf(author: PeerId, sequenceNumber: bigint, publishedAtMs: number): string {
  return `${author}/${sequenceNumber}/${publishedAtMs}`;
}

function deleteFirst(set: Set<string>): void {
  set.delete(set.keys().next().value as string); // the caller knows that there is one
}
