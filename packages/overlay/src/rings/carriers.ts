import type { PeerId } from '@pulsemesh/wire';
import { keyOfBytes } from '../events/event.ts';
import type { CarryMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { carryLimits } from './carry-limits.ts';
import type { Refusals } from './refusals.ts';
import type { TopicRing } from './topic-ring.ts';

interface Subscription {
  readonly topic: Topic;
  readonly ring: TopicRing;
}

/** Peers that were asked for a topic. */
interface Asked {
  readonly route: Uint8Array;
  readonly routeKey: string;
  readonly peers: Set<PeerId>;
  /** Those who carry for somebody else as well: an event given to another one goes nowhere. */
  readonly useful: Set<PeerId>;
}

/**
 * Peers that hand our sealed events to members we have no connection to. All that are connected and are no members are
 * asked: members of one topic rarely share more than one neighbour, and only that one is of use; it says so.
 */
export class Carriers {
  readonly #refusals: Refusals;
  readonly #connections: ReadonlySet<PeerId>;
  readonly #asked = new Map<string, Asked>();
  /** Peers connected a moment ago, who are yet to be asked, and when; those that were connected first come first. */
  readonly #newcomers = new Map<PeerId, number>();
  #askAtMs = 0;
  /** Routes, and with them all questions, hold for one. */
  #epoch = 0;

  constructor(dependencies: { readonly refusals: Refusals; readonly connections: ReadonlySet<PeerId> }) {
    this.#refusals = dependencies.refusals;
    this.#connections = dependencies.connections;
  }

  /** Who carries a topic's events to others. */
  of(topicName: string): readonly PeerId[] {
    const asked = this.#asked.get(topicName);
    return asked === undefined || asked.useful.size === 0 ? none : [...asked.useful];
  }

  /** When {@link wake} asks newcomers, unix milliseconds. */
  get dueAtMs(): number {
    for (const atMs of this.#newcomers.values()) return atMs;
    return Number.POSITIVE_INFINITY;
  }

  connected(peer: PeerId, nowMs: number): void {
    this.#newcomers.delete(peer);
    this.#newcomers.set(peer, nowMs + carryLimits.askAfterMs);
    if (this.#newcomers.size > carryLimits.newcomersMax) {
      this.#newcomers.delete(this.#newcomers.keys().next().value as PeerId); // not empty
    }
  }

  /** Asks newcomers; and all who are connected for all topics, before the time of earlier questions is over. */
  wake(subscriptions: readonly Subscription[], nowMs: number): NodeOutput[] {
    const epoch = epochAt(nowMs, epochMs.ring);
    const newcomers = [...this.#newcomers].filter(([, atMs]) => atMs <= nowMs).map(([peer]) => peer);
    for (const peer of newcomers) this.#newcomers.delete(peer);
    if (this.#askAtMs > nowMs && epoch === this.#epoch) {
      return newcomers.length === 0 ? [] : this.ask(subscriptions, newcomers, nowMs);
    }
    this.#epoch = epoch;
    this.#askAtMs = nowMs + carryLimits.askEveryMs;
    return this.ask(subscriptions, this.#connections, nowMs);
  }

  /** Asks some peers for some topics. */
  ask(subscriptions: readonly Subscription[], peers: Iterable<PeerId>, nowMs: number): NodeOutput[] {
    return subscriptions.flatMap((subscription) => this.#ask(subscription, peers, nowMs));
  }

  /** One that we asked says whether others asked as well. */
  onAnswer(from: PeerId, message: CarryMessage): void {
    const routeKey = keyOfBytes(message.route);
    for (const asked of this.#asked.values()) {
      if (asked.routeKey !== routeKey || !asked.peers.has(from)) continue;
      if (message.seconds > 0) asked.useful.add(from);
      else asked.useful.delete(from);
      return;
    }
    this.#refusals.count('unasked');
  }

  /** A topic was left: its carriers need not carry any longer. */
  leave(topicName: string): NodeOutput[] {
    const asked = this.#asked.get(topicName);
    this.#asked.delete(topicName);
    return asked === undefined ? [] : [...asked.peers].map((to) => carry(to, asked.route, 0));
  }

  disconnected(peer: PeerId): void {
    this.#newcomers.delete(peer);
    for (const { peers, useful } of this.#asked.values()) {
      peers.delete(peer);
      useful.delete(peer);
    }
  }

  #ask({ topic, ring }: Subscription, peers: Iterable<PeerId>, nowMs: number): NodeOutput[] {
    const asked = this.#askedOf(topic, nowMs);
    const outputs: NodeOutput[] = [];
    for (const peer of peers) {
      if (ring.isProven(peer) || (asked.peers.size >= carryLimits.carriersMax && !asked.peers.has(peer))) continue;
      asked.peers.add(peer);
      outputs.push(carry(peer, asked.route, carryLimits.seconds));
    }
    return outputs;
  }

  /** What was asked under the route of the day. */
  #askedOf(topic: Topic, nowMs: number): Asked {
    const route = topic.route(epochAt(nowMs, epochMs.ring));
    const routeKey = keyOfBytes(route);
    let asked = this.#asked.get(topic.name);
    if (asked?.routeKey !== routeKey) {
      asked = { route, routeKey, peers: new Set(), useful: new Set() };
      this.#asked.set(topic.name, asked);
    }
    return asked;
  }
}

const none: readonly PeerId[] = [];

function carry(to: PeerId, route: Uint8Array, seconds: number): NodeOutput {
  return { kind: 'send', to, message: { kind: 'carry', route, seconds, isAnswer: false } };
}
