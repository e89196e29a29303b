import type { Random } from '@pulsemesh/base';
import { equalBytes, type PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';

/** Limits of publishing to topics that this node does not read. */
export const outletLimits = {
  topicsMax: 64,
  membersMax: 12,
  /** Members that an event is handed to. */
  fanOut: 3,
  /** Events kept of one topic, their bytes of all topics, and how long, milliseconds: for the first member, or the next. */
  recentMax: 64,
  recentBytesMax: 4 * 1024 * 1024,
  recentMs: 10_000,
  /** A topic is forgotten when nothing was published to it for so long, milliseconds. */
  idleMs: 120_000,
} as const;

interface Outlet {
  readonly topic: Topic;
  readonly isSensitive: boolean;
  readonly members: Map<PeerId, Descriptor>;
  readonly recent: RecentEvent[];
  usedAtMs: number;
}

interface RecentEvent {
  readonly bytes: Uint8Array;
  readonly untilMs: number;
  /** Nobody has it yet, or nobody who is still known. */
  isWaiting: boolean;
}

/** Members of topics that this node publishes to without reading them: found once, remembered for a while. */
export class Outlets {
  readonly #random: Random;
  readonly #isConnected: (peer: PeerId) => boolean;
  readonly #outlets = new Map<string, Outlet>();
  #recentBytes = 0;

  constructor(random: Random, isConnected: (peer: PeerId) => boolean) {
    this.#random = random;
    this.#isConnected = isConnected;
  }

  get dueAtMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { usedAtMs, recent } of this.#outlets.values()) {
      due = Math.min(due, usedAtMs + outletLimits.idleMs, recent[0]?.untilMs ?? due);
    }
    return due;
  }

  hasMembers(topic: Topic): boolean {
    return (this.#outlets.get(topic.name)?.members.size ?? 0) > 0;
  }

  /** Topics with events that wait for a member. */
  waiting(): { readonly topic: Topic; readonly isSensitive: boolean }[] {
    return [...this.#outlets.values()].filter(({ recent }) => recent.some(({ isWaiting }) => isWaiting));
  }

  descriptorOf(peer: PeerId): Descriptor | undefined {
    for (const { members } of this.#outlets.values()) {
      const descriptor = members.get(peer);
      if (descriptor !== undefined) return descriptor;
    }
    return undefined;
  }

  /** Begins to publish to a topic; the one used longest ago gives way to it. */
  open(topic: Topic, isSensitive: boolean, nowMs: number): void {
    const known = this.#outlets.get(topic.name);
    const outlet = known ?? { topic, isSensitive, members: new Map(), recent: [], usedAtMs: nowMs };
    outlet.usedAtMs = nowMs;
    this.#outlets.delete(topic.name);
    this.#outlets.set(topic.name, outlet);
    if (this.#outlets.size > outletLimits.topicsMax) this.close(this.#outlets.keys().next().value as string);
  }

  close(name: string): void {
    const outlet = this.#outlets.get(name);
    if (outlet === undefined) return;
    this.#outlets.delete(name);
    for (const { bytes } of outlet.recent) this.#recentBytes -= bytes.length;
  }

  /** Hands an event of an open topic to some members, or keeps it for the first that is found. */
  publish(topic: Topic, bytes: Uint8Array, nowMs: number): NodeOutput[] {
    const outlet = this.#outlets.get(topic.name);
    if (outlet === undefined) return [];
    const isWaiting = outlet.members.size === 0;
    this.#keep(outlet, { bytes, untilMs: nowMs + outletLimits.recentMs, isWaiting });
    return isWaiting ? [] : this.#send(outlet, bytes);
  }

  /** Members of a topic were found: they get what waits. */
  found(topic: Topic, descriptors: readonly Descriptor[]): NodeOutput[] {
    const outlet = this.#outlets.get(topic.name);
    if (outlet === undefined) return [];
    for (const descriptor of descriptors) {
      if (outlet.members.size < outletLimits.membersMax) outlet.members.set(descriptor.peer, descriptor);
    }
    if (outlet.members.size === 0) return [];
    const waiting = outlet.recent.filter(({ isWaiting }) => isWaiting);
    for (const event of waiting) event.isWaiting = false;
    return waiting.flatMap(({ bytes }) => this.#send(outlet, bytes));
  }

  /** A peer says that it left the topic of a route. False where it was no member of an outlet of that name. */
  left(peer: PeerId, route: Uint8Array, nowMs: number): boolean {
    const epochs = new Set([nowMs, nowMs - epochMs.ring].map((atMs) => epochAt(atMs, epochMs.ring)));
    for (const outlet of this.#outlets.values()) {
      if (!outlet.members.has(peer)) continue;
      if (![...epochs].some((epoch) => equalBytes(outlet.topic.route(epoch), route))) continue;
      this.#remove(outlet, peer);
      return true;
    }
    return false;
  }

  /** A peer is not to be had, for whatever reason: who is left, or found next, gets what it may have missed. */
  gone(peer: PeerId): void {
    for (const outlet of this.#outlets.values()) this.#remove(outlet, peer);
  }

  wake(nowMs: number): void {
    for (const [name, outlet] of [...this.#outlets]) {
      while (outlet.recent[0] !== undefined && outlet.recent[0].untilMs <= nowMs) this.#forget(outlet, 0);
      if (outlet.usedAtMs + outletLimits.idleMs <= nowMs) this.close(name);
    }
  }

  /** Without its last member an outlet cannot know whether what it sent went on: it waits again. */
  #remove(outlet: Outlet, peer: PeerId): void {
    if (!outlet.members.delete(peer) || outlet.members.size > 0) return;
    for (const event of outlet.recent) event.isWaiting = true;
  }

  /** What nobody has stays as long as it can; what was sent makes room, of this topic or of others. */
  #keep(outlet: Outlet, event: RecentEvent): void {
    const { recentMax, recentBytesMax } = outletLimits;
    const sentOf = ({ recent }: Outlet) => recent.findIndex(({ isWaiting }) => !isWaiting);
    while (outlet.recent.length >= recentMax || this.#recentBytes + event.bytes.length > recentBytesMax) {
      const givers = outlet.recent.length >= recentMax ? [outlet] : [outlet, ...this.#outlets.values()];
      const giver = givers.find((other) => sentOf(other) !== -1);
      if (giver === undefined) return;
      this.#forget(giver, sentOf(giver));
    }
    outlet.recent.push(event);
    this.#recentBytes += event.bytes.length;
  }

  #forget(outlet: Outlet, at: number): void {
    for (const { bytes } of outlet.recent.splice(at, 1)) this.#recentBytes -= bytes.length;
  }

  /** To members that are connected where there are any: they live, and what comes by one way comes in order. */
  #send(outlet: Outlet, bytes: Uint8Array): NodeOutput[] {
    const members = this.#random.shuffle([...outlet.members.keys()]);
    const connected = members.filter((peer) => this.#isConnected(peer));
    const others = members.filter((peer) => !this.#isConnected(peer));
    const message = { kind: 'event', bytes, hops: 0 } as const;
    return [...connected, ...others].slice(0, outletLimits.fanOut).map((to) => ({ kind: 'send', to, message }));
  }
}
