import type { Random } from '@pulsemesh/base';
import { equalBytes, type PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';

/** Limits of publishing to topics that this node does not read. */
export const outletLimits = {
  topicsMax: 1_024,
  membersMax: 12,
  /** Members taken from one answer to a query: whoever answers first, and names its own, does not take all places. */
  membersPerAnswerMax: 4,
  /** Answers after the first of which one member each is given what was sent before. */
  moreAnswersMax: 3,
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
  /** Members by peer, with the number of the answer that named them. */
  readonly members: Map<PeerId, { readonly descriptor: Descriptor; readonly answer: number }>;
  answerCount: number;
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
      const member = members.get(peer);
      if (member !== undefined) return member.descriptor;
    }
    return undefined;
  }

  /** Begins to publish to a topic; the one used longest ago gives way to it, of those for which nothing waits if there are any. */
  open(topic: Topic, isSensitive: boolean, nowMs: number): void {
    const known = this.#outlets.get(topic.name);
    const outlet = known ?? { topic, isSensitive, members: new Map(), answerCount: 0, recent: [], usedAtMs: nowMs };
    outlet.usedAtMs = nowMs;
    this.#outlets.delete(topic.name);
    this.#outlets.set(topic.name, outlet);
    if (this.#outlets.size > outletLimits.topicsMax) this.close(this.#leastWanted());
  }

  #leastWanted(): string {
    for (const [name, { recent }] of this.#outlets) if (!recent.some(({ isWaiting }) => isWaiting)) return name;
    return this.#outlets.keys().next().value as string; // it is full
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

  /**
   * Members of a topic were found, all named by one answer: they get what waits. What others were given before goes to one of them as
   * well, since who answered first may be one that hands nothing on.
   */
  found(topic: Topic, descriptors: readonly Descriptor[]): NodeOutput[] {
    const outlet = this.#outlets.get(topic.name);
    if (outlet === undefined) return [];
    const news = descriptors.filter(({ peer }) => !outlet.members.has(peer));
    const taken = news.slice(0, outletLimits.membersPerAnswerMax);
    const isFirst = outlet.members.size === 0;
    if (taken.length > 0) outlet.answerCount += 1;
    for (const descriptor of taken) {
      if (outlet.members.size >= outletLimits.membersMax) this.#makeRoom(outlet);
      outlet.members.set(descriptor.peer, { descriptor, answer: outlet.answerCount });
    }
    if (outlet.members.size === 0) return [];
    const sent = isFirst || outlet.answerCount > 1 + outletLimits.moreAnswersMax ? [] : outlet.recent;
    const outputs = sent.flatMap(({ bytes, isWaiting }) => (isWaiting ? [] : sends(taken.slice(0, 1), bytes)));
    const waiting = outlet.recent.filter(({ isWaiting }) => isWaiting);
    for (const event of waiting) event.isWaiting = false;
    return [...outputs, ...waiting.flatMap(({ bytes }) => this.#send(outlet, bytes))];
  }

  /** A full outlet lets one go that was named by the answer of which there are most. */
  #makeRoom({ members }: Outlet): void {
    const counts = new Map<number, number>();
    for (const { answer } of members.values()) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    const [most] = [...counts].reduce((one, other) => (other[1] > one[1] ? other : one));
    const [leaving] = [...members].find(([, { answer }]) => answer === most) as [PeerId, unknown]; // it is full
    members.delete(leaving);
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
    const members = this.#random.shuffle([...outlet.members.values()]);
    const connected = members.filter(({ descriptor }) => this.#isConnected(descriptor.peer));
    const others = members.filter(({ descriptor }) => !this.#isConnected(descriptor.peer));
    const seen = new Set<number>();
    // One of each answer before a second of any; of those the ones that are connected.
    const isSecond = ({ answer }: { readonly answer: number }) => seen.has(answer) || !seen.add(answer);
    const inOrder = [...connected, ...others].map((member) => ({ member, isSecond: isSecond(member) }));
    inOrder.sort((one, other) => Number(one.isSecond) - Number(other.isSecond));
    return sends(
      inOrder.slice(0, outletLimits.fanOut).map(({ member }) => member.descriptor),
      bytes,
    );
  }
}

function sends(to: readonly Descriptor[], bytes: Uint8Array): NodeOutput[] {
  const message = { kind: 'event', bytes, hops: 0 } as const;
  return to.map(({ peer }) => ({ kind: 'send', to: peer, message }));
}
