import { sha256 } from '@pulsemesh/crypto';
import { compareBytes, concatBytes, type PeerId } from '@pulsemesh/wire';
import { type EventHead, keyOfBytes } from '../events/event.ts';
import { SeenEvents } from '../events/seen-events.ts';
import type { CarryMessage, EventMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import type { Refusals } from './refusals.ts';
import type { TopicRing } from './topic-ring.ts';

/** Whether ciphertext goes through peers that are no members; both are off unless said. */
export interface CarryMode {
  /** Carry the events of others who ask. What a carrier sees: a route that changes daily, sizes, classes, times, who asked. */
  readonly offers?: boolean;
  /** Ask connected peers that are no members to carry our topics' events. */
  readonly asks?: boolean;
}

/** Limits of carrying. */
export const carryLimits = {
  /** Peers asked for one topic. */
  carriersPerTopic: 2,
  /** For how long is asked, and how often anew. */
  seconds: 600,
  askEveryMs: 240_000,
  /** Routes carried for others, who asked for one, and routes one peer may ask for. */
  routesMax: 1_024,
  askersPerRouteMax: 32,
  routesPerPeerMax: 256,
  /** Ids of carried events that are remembered. */
  idsMax: 20_000,
  /** What one peer may have carried within `windowMs`, bytes. */
  carriedBytesMax: 4 * 1024 * 1024,
  windowMs: 10_000,
} as const;

interface Subscription {
  readonly topic: Topic;
  readonly ring: TopicRing;
}

/** Carrying of sealed events by peers that are no members: asked for by members, between those who asked. */
export class Carriers {
  readonly #mode: CarryMode;
  readonly #dependencies: { readonly refusals: Refusals; readonly connections: ReadonlySet<PeerId> };
  /** Ours, by topic. */
  readonly #asked = new Map<string, { readonly route: Uint8Array; readonly peers: PeerId[] }>();
  /** Others', by route: who asked, and until when (unix milliseconds). */
  readonly #carried = new Map<string, Map<PeerId, number>>();
  readonly #routesOfPeer = new Map<PeerId, number>();
  readonly #seen = new SeenEvents({ idsMax: carryLimits.idsMax });
  readonly #carriedBytes = new Map<PeerId, number>();
  #windowSinceMs = 0;
  #askAtMs = 0;

  constructor(
    mode: CarryMode,
    dependencies: { readonly refusals: Refusals; readonly connections: ReadonlySet<PeerId> },
  ) {
    this.#mode = mode;
    this.#dependencies = dependencies;
  }

  /** Routes that are carried for others. */
  get routeCount(): number {
    return this.#carried.size;
  }

  /** Who carries a topic's events for us. */
  of(topicName: string): readonly PeerId[] {
    return this.#asked.get(topicName)?.peers ?? none;
  }

  /** Everybody who carries for us. */
  all(): PeerId[] {
    return [...new Set([...this.#asked.values()].flatMap((asked) => asked.peers))];
  }

  /** Asks for carriers where it is time, and forgets who no longer asks. */
  wake(subscriptions: readonly Subscription[], nowMs: number): NodeOutput[] {
    if (this.#askAtMs > nowMs) return [];
    this.#askAtMs = nowMs + carryLimits.askEveryMs;
    this.#seen.expire(nowMs);
    for (const [route, askers] of this.#carried) {
      for (const [peer, untilMs] of askers) if (untilMs <= nowMs) this.#release(route, peer);
    }
    return this.#mode.asks === true ? subscriptions.flatMap((subscription) => this.#ask(subscription, nowMs)) : [];
  }

  /** Somebody asks us to carry, or no longer. */
  onCarry(from: PeerId, message: CarryMessage, nowMs: number): void {
    const route = keyOfBytes(message.route);
    if (message.seconds === 0) {
      this.#release(route, from);
      return;
    }
    const isKnown = this.#carried.get(route)?.has(from) === true;
    const refusal = this.#mode.offers !== true ? 'unasked' : !isKnown && this.#isFull(route, from) ? 'too-many' : null;
    if (refusal !== null) {
      this.#dependencies.refusals.count(refusal);
      return;
    }
    if (!isKnown) this.#routesOfPeer.set(from, (this.#routesOfPeer.get(from) ?? 0) + 1);
    const askers = this.#carried.get(route) ?? new Map<PeerId, number>();
    askers.set(from, nowMs + Math.min(message.seconds, carryLimits.seconds) * 1_000);
    this.#carried.set(route, askers);
  }

  #isFull(route: string, from: PeerId): boolean {
    const { routesPerPeerMax, routesMax, askersPerRouteMax } = carryLimits;
    if ((this.#routesOfPeer.get(from) ?? 0) >= routesPerPeerMax) return true;
    const askers = this.#carried.get(route);
    return askers === undefined ? this.#carried.size >= routesMax : askers.size >= askersPerRouteMax;
  }

  /** Hands an event of a route that is not ours to the others who asked for it. */
  onEvent(from: PeerId, message: EventMessage, head: EventHead, nowMs: number): NodeOutput[] {
    const { refusals, connections } = this.#dependencies;
    const askers = this.#carried.get(head.routeKey);
    const refuse = (kind: 'unknown-route' | 'too-old' | 'too-early' | 'too-often'): NodeOutput[] => {
      refusals.count(kind);
      return [];
    };
    // Only who asked for the route may use it: a stranger would make us send what nobody wants.
    if (askers === undefined || (askers.get(from) ?? 0) <= nowMs) return refuse('unknown-route');
    const sight = this.#seen.look(head.routeKey, head.key, head.publishedAtMs, nowMs);
    if (sight === 'seen') return [];
    if (sight !== 'new') return refuse(sight);
    if (!this.#mayCarry(from, message.bytes.length, nowMs)) return refuse('too-often');
    this.#seen.add(head.routeKey, head.key, head.publishedAtMs, nowMs);
    const outputs: NodeOutput[] = [];
    for (const [peer, untilMs] of askers) {
      if (peer === from || untilMs <= nowMs || !connections.has(peer)) continue;
      outputs.push({ kind: 'send', to: peer, message: { ...message, hops: Math.min(message.hops + 1, 255) } });
    }
    return outputs;
  }

  /** A topic was left: its carriers need not carry any longer. */
  leave(topicName: string): NodeOutput[] {
    const asked = this.#asked.get(topicName);
    this.#asked.delete(topicName);
    return (asked?.peers ?? none).map((to) => carry(to, asked?.route ?? noRoute, 0));
  }

  /** Forgets a peer whose connection is gone, and soon looks for another one. */
  disconnected(peer: PeerId): void {
    if (this.#routesOfPeer.has(peer)) for (const route of [...this.#carried.keys()]) this.#release(route, peer);
    for (const { peers } of this.#asked.values()) {
      const index = peers.indexOf(peer);
      if (index < 0) continue;
      peers.splice(index, 1);
      this.#askAtMs = 0;
    }
  }

  /**
   * Members that share a neighbour should find the same one: each takes those of its own that come first in an order that
   * depends on the route alone.
   */
  #ask({ topic, ring }: Subscription, nowMs: number): NodeOutput[] {
    const route = topic.route(epochAt(nowMs, epochMs.ring));
    const ranked: { readonly peer: PeerId; readonly rank: Uint8Array }[] = [];
    for (const peer of this.#dependencies.connections) {
      if (!ring.isProven(peer)) ranked.push({ peer, rank: sha256(concatBytes(route, text.encode(peer))) });
    }
    ranked.sort((one, other) => compareBytes(one.rank, other.rank));
    const peers = ranked.slice(0, carryLimits.carriersPerTopic).map((one) => one.peer);
    this.#asked.set(topic.name, { route, peers });
    return peers.map((peer) => carry(peer, route, carryLimits.seconds));
  }

  #release(route: string, peer: PeerId): void {
    const askers = this.#carried.get(route);
    if (askers?.delete(peer) !== true) return;
    if (askers.size === 0) this.#carried.delete(route);
    const count = (this.#routesOfPeer.get(peer) ?? 0) - 1;
    if (count > 0) this.#routesOfPeer.set(peer, count);
    else this.#routesOfPeer.delete(peer);
  }

  #mayCarry(peer: PeerId, bytes: number, nowMs: number): boolean {
    if (nowMs - this.#windowSinceMs >= carryLimits.windowMs) {
      this.#carriedBytes.clear();
      this.#windowSinceMs = nowMs;
    }
    const carried = (this.#carriedBytes.get(peer) ?? 0) + bytes;
    if (carried > carryLimits.carriedBytesMax) return false;
    this.#carriedBytes.set(peer, carried);
    return true;
  }
}

const none: readonly PeerId[] = [];
const noRoute = new Uint8Array(16);
const text = new TextEncoder();

function carry(to: PeerId, route: Uint8Array, seconds: number): NodeOutput {
  return { kind: 'send', to, message: { kind: 'carry', route, seconds } };
}
