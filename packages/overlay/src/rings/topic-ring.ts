import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import { createMember, type Member } from './member.ts';
import { RingOrder } from './ring-order.ts';
import type { RingParameters } from './ring-parameters.ts';
import { Subscribers } from './subscribers.ts';

/** Whom events and gossip go to in one epoch's order: proven members, the nearest first. */
export interface RingShape {
  readonly epoch: number;
  readonly successors: readonly PeerId[];
  readonly predecessors: readonly PeerId[];
}

/** Between these clockwise distances from us nobody is near. */
interface Bounds {
  readonly after: bigint;
  readonly before: bigint;
}

/** Members that are not near us in any order, and where in each order that begins and ends. */
interface FarMembers {
  readonly members: readonly Member[];
  readonly unprovenCount: number;
  readonly bounds: readonly Bounds[];
}

/** A member that is gone, and when to see whether it is back. */
interface Lost {
  readonly descriptor: Descriptor;
  readonly tryCount: number;
  readonly retryAtMs: number;
}

/**
 * Who else is in a topic, as far as this peer needs to know: the nearest on both sides in the ring order (of two epochs
 * when one ends), and random members elsewhere. Bounded; the nearest stay, proven ones before unproven ones.
 */
export class TopicRing {
  readonly #self: PeerId;
  readonly #publicKey: Uint8Array;
  readonly #parameters: RingParameters;
  readonly #random: Random;
  readonly #members = new Map<PeerId, Member>();
  /** Who proved itself, a member here or not. */
  readonly subscribers: Subscribers;
  readonly #avoided = new Map<PeerId, number>();
  readonly #lost = new Map<PeerId, Lost>();
  readonly #changedAtMs = new Map<number, number>();
  #orders: RingOrder[] = [];
  #shapes: RingShape[] | null = null;
  #neighbourCount: number | null = null;
  #far: FarMembers | null = null;
  #nearMark = 0;

  constructor(
    self: { readonly peer: PeerId; readonly publicKey: Uint8Array },
    parameters: RingParameters,
    dependencies: { readonly random: Random },
  ) {
    this.#self = self.peer;
    this.#publicKey = self.publicKey;
    this.#parameters = parameters;
    this.#random = dependencies.random;
    this.subscribers = new Subscribers(parameters);
  }

  /** The epochs whose orders are kept, the oldest first. */
  get epochs(): readonly number[] {
    return this.#orders.map((order) => order.epoch);
  }

  setEpochs(epochs: readonly number[], nowMs: number): void {
    this.#orders = epochs.map((epoch) => this.#orders.find((order) => order.epoch === epoch) ?? this.#newOrder(epoch));
    for (const epoch of this.#changedAtMs.keys()) if (!epochs.includes(epoch)) this.#changedAtMs.delete(epoch);
    for (const epoch of epochs) if (!this.#changedAtMs.has(epoch)) this.#changedAtMs.set(epoch, nowMs);
    this.#forgetShape();
  }

  /** Since when the neighbours of an epoch are the same, unix milliseconds. */
  changedAtMs(epoch: number): number {
    return this.#changedAtMs.get(epoch) ?? 0;
  }

  /** Members known, proven or not; at most a few dozen. */
  get members(): ReadonlyMap<PeerId, Member> {
    return this.#members;
  }

  isProven(peer: PeerId): boolean {
    return this.subscribers.has(peer) || this.#members.get(peer)?.isProven === true;
  }

  get shapes(): readonly RingShape[] {
    const { neighboursPerSide } = this.#parameters;
    this.#shapes ??= this.#orders.map((order) => ({
      epoch: order.epoch,
      successors: order.successors(neighboursPerSide, isProven).map(peerOf),
      predecessors: order.predecessors(neighboursPerSide, isProven).map(peerOf),
    }));
    return this.#shapes;
  }

  /** Different proven neighbours in the newest order: 2r where the topic has as many members. */
  get neighbourCount(): number {
    this.#neighbourCount ??= countNeighbours(this.shapes.at(-1));
    return this.#neighbourCount;
  }

  /** Members that are not near us in any order. */
  get shortcuts(): readonly Member[] {
    return this.#farMembers().members;
  }

  /** How many members there may be, from how near the nearest ones are: right within a third, mostly. */
  get sizeEstimate(): number {
    const { nearPerSide } = this.#parameters;
    const bounds = this.#farMembers().bounds.at(-1);
    // With fewer proven members than are remembered each side, these are all.
    if (bounds === undefined || bounds.before < 0n || bounds.after >= 2n ** 64n) return this.#members.size + 1;
    const span = Number(bounds.after) + (2 ** 64 - Number(bounds.before));
    return Math.max(this.subscribers.namedCount + 1, (2 * nearPerSide * 2 ** 64) / span);
  }

  /** Members that would be neighbours if they proved themselves. */
  unprovenNeighbours(): Member[] {
    const { neighboursPerSide } = this.#parameters;
    const found = new Set<Member>();
    for (const order of this.#orders) {
      for (const member of order.successors(neighboursPerSide, all)) if (!member.isProven) found.add(member);
      for (const member of order.predecessors(neighboursPerSide, all)) if (!member.isProven) found.add(member);
    }
    return [...found];
  }

  /** Up to `count` members that pass, those nearest to a place in the order of `epoch`, or in another where that is not kept. */
  around(epoch: number, publicKey: Uint8Array, count: number, accepts: (member: Member) => boolean): Member[] {
    const order = this.#orders.find((one) => one.epoch === epoch) ?? this.#orders.at(-1);
    return order?.around(publicKey, count, accepts) ?? [];
  }

  /** Takes somebody's word that a peer is a member. True where it was not known and is remembered. */
  offer(descriptor: Descriptor, nowMs: number): boolean {
    const { peer } = descriptor;
    if (peer === this.#self || this.#isAvoided(peer, nowMs)) return false;
    const known = this.#members.get(peer);
    if (known !== undefined) {
      if (known.descriptor.version < descriptor.version) known.descriptor = descriptor;
      return false;
    }
    return !this.#isOfNoUse(descriptor) && this.#insert(createMember(descriptor));
  }

  /** A peer showed that it is a member. Says whether that is news, and who is no longer remembered for that. */
  prove(descriptor: Descriptor, nowMs: number): ReturnType<Subscribers['prove']> {
    const { peer } = descriptor;
    const proved = this.subscribers.prove(peer, nowMs, (one) => this.#members.has(one));
    this.#avoided.delete(peer);
    this.#lost.delete(peer);
    const known = this.#members.get(peer);
    const member = known ?? createMember(descriptor);
    if (member.descriptor.version < descriptor.version) member.descriptor = descriptor;
    member.heardAtMs = nowMs;
    member.missCount = 0;
    if (!member.isProven) {
      member.isProven = true;
      if (known === undefined) this.#insert(member);
      else this.#forgetShape();
      this.#noteChange(member.peer, nowMs);
    }
    return proved;
  }

  /** Removes a peer that left or does not answer. True where it was a subscriber. */
  remove(peer: PeerId, nowMs: number, why: 'left' | 'lost' | 'doubted'): boolean {
    const member = this.#members.get(peer);
    if (member !== undefined) {
      this.#noteChange(peer, nowMs);
      this.#delete(member);
      if (why === 'lost' && member.isProven) this.#lose(member.descriptor, 0, nowMs);
    }
    setBounded(this.#avoided, peer, nowMs + this.#parameters.avoidMs, this.#parameters.avoidedMax);
    return this.subscribers.delete(peer);
  }

  /** Lets a member elsewhere on the ring go, so that others come to be known; it stays a subscriber, and may come again. */
  release(member: Member): void {
    this.#delete(member);
  }

  /** A peer that is connected is not taken for dead any longer, whatever was said of it. True where it was lost. */
  forgive(peer: PeerId): boolean {
    this.#avoided.delete(peer);
    const lost = this.#lost.get(peer);
    if (lost !== undefined) this.#lost.set(peer, { ...lost, retryAtMs: 0 });
    return lost !== undefined;
  }

  /** A lost member whose time has come to be asked again, if it may; the next time is later. */
  takeLost(nowMs: number, mayAsk: (descriptor: Descriptor) => boolean): Descriptor | undefined {
    for (const [peer, lost] of this.#lost) {
      if (lost.retryAtMs > nowMs) continue;
      if (!mayAsk(lost.descriptor)) return undefined;
      this.#lost.delete(peer);
      if (lost.tryCount < this.#parameters.lostTriesMax) this.#lose(lost.descriptor, lost.tryCount + 1, nowMs);
      return lost.descriptor;
    }
    return undefined;
  }

  #lose(descriptor: Descriptor, tryCount: number, nowMs: number): void {
    const retryAtMs = nowMs + this.#parameters.lostRetryMs * 2 ** tryCount;
    setBounded(this.#lost, descriptor.peer, { descriptor, tryCount, retryAtMs }, this.#parameters.lostMax);
  }

  #isAvoided(peer: PeerId, nowMs: number): boolean {
    const untilMs = this.#avoided.get(peer);
    if (untilMs === undefined) return false;
    if (untilMs > nowMs) return true;
    this.#avoided.delete(peer);
    return false;
  }

  #newOrder(epoch: number): RingOrder {
    const order = new RingOrder(epoch, this.#publicKey);
    for (const member of this.#members.values()) order.add(member);
    return order;
  }

  /** Adds a member, and lets one go where there are too many; true unless that was the new one. */
  #insert(member: Member): boolean {
    this.#members.set(member.peer, member);
    for (const order of this.#orders) order.add(member);
    this.#forgetShape();
    const far = this.shortcuts;
    if (far.length > this.#parameters.shortcutsMax) this.#delete(this.#superfluous(member, far));
    return this.#members.has(member.peer);
  }

  /**
   * Which of too many shortcuts goes: one that never proved itself before others; among equals the newcomer more often than
   * not, so that who talks most does not fill our ring. Somebody's word never displaces a proven member.
   */
  #superfluous(newcomer: Member, far: readonly Member[]): Member {
    const others = far.filter((member) => member !== newcomer);
    const unproven = others.filter((member) => !member.isProven);
    const isEqual = newcomer.isProven ? unproven.length === 0 : unproven.length > 0;
    const isWeaker = !newcomer.isProven && unproven.length === 0;
    if (far.includes(newcomer) && (isWeaker || (isEqual && this.#random.integer(4) !== 0))) return newcomer;
    const among = unproven.length > 0 ? unproven : others;
    return among[this.#random.integer(among.length)] as Member; // there is another one where there are too many
  }

  #delete(member: Member): void {
    this.#members.delete(member.peer);
    for (const order of this.#orders) order.remove(member.peer);
    this.#forgetShape();
  }

  /** Whether somebody's word for a peer is not worth a look: there are enough of its kind, and it is not near us. */
  #isOfNoUse(descriptor: Descriptor): boolean {
    const { members, unprovenCount, bounds } = this.#farMembers();
    if (members.length < this.#parameters.shortcutsMax || unprovenCount > 0) return false;
    return this.#orders.every((order, index) => {
      const bound = bounds[index] as Bounds; // one for each order
      const distance = order.distanceOf(descriptor.publicKey);
      return distance > bound.after && distance < bound.before;
    });
  }

  #farMembers(): FarMembers {
    if (this.#far !== null) return this.#far;
    this.#nearMark += 1;
    const bounds = this.#orders.map((order) => {
      const lastAfter = this.#markNear((passes) => order.successors(Number.POSITIVE_INFINITY, passes));
      const lastBefore = this.#markNear((passes) => order.predecessors(Number.POSITIVE_INFINITY, passes));
      return {
        after: lastAfter === null ? 2n ** 64n : order.distanceOf(lastAfter.descriptor.publicKey),
        before: lastBefore === null ? -1n : order.distanceOf(lastBefore.descriptor.publicKey),
      };
    });
    const members: Member[] = [];
    let unprovenCount = 0;
    for (const member of this.#members.values()) {
      if (member.nearMark === this.#nearMark) continue;
      members.push(member);
      if (!member.isProven) unprovenCount += 1;
    }
    this.#far = { members, unprovenCount, bounds };
    return this.#far;
  }

  /**
   * Marks the nearest proven members of a side, and some unproven ones that are as near: those further away would be of no
   * use. Returns the last of the proven where there are enough.
   */
  #markNear(walk: (visit: (member: Member) => boolean) => unknown): Member | null {
    let provenLeft = this.#parameters.nearPerSide;
    let unprovenLeft = this.#parameters.nearPerSide;
    let last: Member | null = null;
    walk((member) => {
      if (provenLeft === 0) return false;
      if (!member.isProven) unprovenLeft -= 1;
      else {
        provenLeft -= 1;
        if (provenLeft === 0) last = member;
      }
      if (member.isProven || unprovenLeft >= 0) member.nearMark = this.#nearMark;
      return false;
    });
    return last;
  }

  /** Notes the time where `peer` is a neighbour now. */
  #noteChange(peer: PeerId, nowMs: number): void {
    for (const shape of this.shapes) {
      if (shape.successors.includes(peer) || shape.predecessors.includes(peer)) {
        this.#changedAtMs.set(shape.epoch, nowMs);
      }
    }
  }

  #forgetShape(): void {
    this.#shapes = null;
    this.#neighbourCount = null;
    this.#far = null;
  }
}

function countNeighbours(shape: RingShape | undefined): number {
  return shape === undefined ? 0 : new Set([...shape.successors, ...shape.predecessors]).size;
}

const isProven = (member: Member) => member.isProven;
const all = () => true;
const peerOf = (member: Member) => member.peer;

/** Sets an entry; a full map forgets the one that was set first. */
function setBounded<K, V>(map: Map<K, V>, key: K, value: V, entriesMax: number): void {
  map.set(key, value);
  if (map.size > entriesMax) map.delete(map.keys().next().value as K); // there is one in a full map
}
