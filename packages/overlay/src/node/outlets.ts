import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import type { Topic } from '../topic.ts';

/** Limits of publishing to topics that this node does not read. */
export const outletLimits = {
  topicsMax: 64,
  membersMax: 12,
  /** Members that an event is handed to. */
  fanOut: 3,
  /** Events that wait for the first member, and how long, milliseconds. */
  waitingMax: 64,
  waitingBytesMax: 4 * 1024 * 1024,
  waitMs: 10_000,
  /** A topic is forgotten when nothing was published to it for so long, milliseconds. */
  idleMs: 120_000,
} as const;

interface Outlet {
  readonly topic: Topic;
  readonly isSensitive: boolean;
  readonly members: Map<PeerId, Descriptor>;
  waiting: { readonly bytes: Uint8Array; readonly untilMs: number }[];
  usedAtMs: number;
}

/** Members of topics that this node publishes to without reading them: found once, remembered for a while. */
export class Outlets {
  readonly #random: Random;
  readonly #outlets = new Map<string, Outlet>();
  #waitingBytes = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get dueAtMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { usedAtMs, waiting } of this.#outlets.values()) {
      due = Math.min(due, usedAtMs + outletLimits.idleMs, waiting[0]?.untilMs ?? due);
    }
    return due;
  }

  hasMembers(topic: Topic): boolean {
    return (this.#outlets.get(topic.name)?.members.size ?? 0) > 0;
  }

  /** Topics with events that wait for a first member. */
  waiting(): { readonly topic: Topic; readonly isSensitive: boolean }[] {
    return [...this.#outlets.values()].filter(({ waiting }) => waiting.length > 0);
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
    const outlet = known ?? { topic, isSensitive, members: new Map(), waiting: [], usedAtMs: nowMs };
    outlet.usedAtMs = nowMs;
    this.#outlets.delete(topic.name);
    this.#outlets.set(topic.name, outlet);
    if (this.#outlets.size > outletLimits.topicsMax) this.close(this.#outlets.keys().next().value as string);
  }

  close(name: string): void {
    const outlet = this.#outlets.get(name);
    if (outlet === undefined) return;
    this.#outlets.delete(name);
    for (const { bytes } of outlet.waiting) this.#waitingBytes -= bytes.length;
  }

  /** Hands an event of an open topic to some members, or keeps it for the first that is found. */
  publish(topic: Topic, bytes: Uint8Array, nowMs: number): NodeOutput[] {
    const outlet = this.#outlets.get(topic.name);
    if (outlet === undefined) return [];
    if (outlet.members.size > 0) return this.#send(outlet, bytes);
    const { waitingMax, waitingBytesMax, waitMs } = outletLimits;
    if (outlet.waiting.length >= waitingMax || this.#waitingBytes + bytes.length > waitingBytesMax) return [];
    outlet.waiting.push({ bytes, untilMs: nowMs + waitMs });
    this.#waitingBytes += bytes.length;
    return [];
  }

  /** Members of a topic were found: they get what waits. */
  found(topic: Topic, descriptors: readonly Descriptor[]): NodeOutput[] {
    const outlet = this.#outlets.get(topic.name);
    if (outlet === undefined) return [];
    for (const descriptor of descriptors) {
      if (outlet.members.size < outletLimits.membersMax) outlet.members.set(descriptor.peer, descriptor);
    }
    const waiting = outlet.waiting.splice(0);
    for (const { bytes } of waiting) this.#waitingBytes -= bytes.length;
    return waiting.flatMap(({ bytes }) => this.#send(outlet, bytes));
  }

  unreachable(peer: PeerId): void {
    for (const { members } of this.#outlets.values()) members.delete(peer);
  }

  wake(nowMs: number): void {
    for (const [name, outlet] of [...this.#outlets]) {
      while (outlet.waiting[0] !== undefined && outlet.waiting[0].untilMs <= nowMs) {
        this.#waitingBytes -= outlet.waiting.shift()?.bytes.length ?? 0;
      }
      if (outlet.usedAtMs + outletLimits.idleMs <= nowMs) this.close(name);
    }
  }

  #send(outlet: Outlet, bytes: Uint8Array): NodeOutput[] {
    const targets = this.#random.shuffle([...outlet.members.keys()]).slice(0, outletLimits.fanOut);
    const message = { kind: 'event', bytes, hops: 0 } as const;
    return targets.map((to) => ({ kind: 'send', to, message }));
  }
}
