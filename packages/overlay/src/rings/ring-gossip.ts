import type { Random } from '@pulsemesh/base';
import { equalSecrets } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { type Descriptor, isCurrent, isGenuine } from '../descriptor.ts';
import { messageLimits, type RingMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import type { Member } from './member.ts';
import { MembershipProofs } from './membership-proofs.ts';
import type { Refusals } from './refusals.ts';
import type { RingParameters } from './ring-parameters.ts';
import { TopicRing } from './topic-ring.ts';

interface Question {
  readonly nonce: number;
  readonly epoch: number;
  readonly deadlineMs: number;
}

/** What the gossip of a ring needs from around it. */
export interface RingGossipDependencies {
  readonly random: Random;
  readonly refusals: Refusals;
  /** Our own descriptor as it is now. */
  readonly self: () => Descriptor;
  /** Peers with an open connection: to ask one costs little. */
  readonly connections: ReadonlySet<PeerId>;
  /** How many topics this node reads. */
  readonly topicCount: () => number;
  /** Whether a peer may be asked now: without a connection only so often. */
  readonly mayAsk: (descriptor: Descriptor, nowMs: number) => boolean;
}

const nothing: readonly NodeOutput[] = [];

/**
 * How members of one topic find their places: each shows the other that it knows the topic's secret, and tells it who is
 * near the other's place. T-Man's gossip (Jelasity, Babaoglu 2005) as PolderCast uses it, told to proven members only.
 */
export class RingGossip {
  readonly topic: Topic;
  readonly ring: TopicRing;
  readonly #parameters: RingParameters;
  readonly #dependencies: RingGossipDependencies;
  readonly #questions = new Map<PeerId, Question>();
  readonly #routes = new Map<number, Uint8Array>();
  readonly #proofs: MembershipProofs;
  #roundAtMs = Number.POSITIVE_INFINITY;
  #lastRoundAtMs = Number.NEGATIVE_INFINITY;
  #periodMs: number;
  #roundCount = 0;
  /** Whether an event came, and how many rounds asked others for want of one. */
  #isFed = false;
  #unfedRounds = 0;
  /** Whether the last round would have asked somebody, and might not. */
  #isHeldBack = false;

  constructor(topic: Topic, parameters: RingParameters, dependencies: RingGossipDependencies) {
    this.topic = topic;
    this.#proofs = new MembershipProofs(topic, dependencies.self);
    this.ring = new TopicRing(dependencies.self(), parameters, dependencies);
    this.#parameters = parameters;
    this.#dependencies = dependencies;
    this.#periodMs = parameters.fastPeriodMs;
  }

  /** When {@link wake} has something to do, unix milliseconds. */
  get dueAtMs(): number {
    // Every question waits equally long: the first asked is the first that is due.
    for (const question of this.#questions.values()) return Math.min(this.#roundAtMs, question.deadlineMs);
    return this.#roundAtMs;
  }

  /** Takes candidates on somebody's word; nothing is sent before the next {@link wake}. */
  addCandidates(descriptors: readonly Descriptor[], nowMs: number): void {
    let isNews = false;
    for (const descriptor of descriptors) {
      if (!isCurrent(descriptor, nowMs) || !isGenuine(descriptor)) {
        this.#dependencies.refusals.count('bad-descriptor');
      } else if (this.#isOutOfReach(descriptor)) {
        this.#dependencies.refusals.count('out-of-reach');
      } else if (this.ring.offer(descriptor, nowMs)) {
        isNews = true;
      }
    }
    if (isNews && this.ring.unprovenNeighbours().length > 0) this.#hurry(nowMs);
    else if (isNews) this.#schedule(nowMs + this.#periodMs);
  }

  /** Looks for answers that did not come, and makes a round of gossip where it is time. */
  wake(nowMs: number): NodeOutput[] {
    const outputs: NodeOutput[] = [];
    for (const [peer, question] of this.#questions) {
      if (question.deadlineMs > nowMs) continue;
      this.#questions.delete(peer);
      outputs.push(...this.#missed(peer, nowMs));
    }
    if (this.#roundAtMs <= nowMs) outputs.push(...this.#round(nowMs));
    return outputs;
  }

  /** A member spoke; `epoch` is that of the message's route. */
  onRing(from: PeerId, message: RingMessage, epoch: number, nowMs: number): NodeOutput[] {
    const refusal = this.#check(from, message, epoch, nowMs);
    if (refusal !== null) {
      this.#dependencies.refusals.count(refusal);
      return [];
    }
    if (message.isLeaving) return this.drop(from, nowMs, 'left');
    const known = this.ring.members.get(from);
    if (!message.isReply && known?.isProven && nowMs - known.heardAtMs < this.#parameters.answerEveryMs) {
      this.#dependencies.refusals.count('too-often');
      return [];
    }
    if (message.isReply) this.#questions.delete(from);
    const outputs: NodeOutput[] = [];
    const changedAtMs = this.ring.changedAtMs(epoch);
    const { isNews, displaced } = this.ring.prove(message.self, nowMs);
    if (isNews) outputs.push(this.#subscription(from, true));
    outputs.push(...displaced.map((peer) => this.#subscription(peer, false)));
    if (!message.isReply) outputs.push(this.#message(message.self, epoch, message.nonce, true, nowMs));
    this.addCandidates(message.descriptors, nowMs);
    if (this.ring.changedAtMs(epoch) !== changedAtMs) this.#periodMs = this.#parameters.fastPeriodMs;
    this.#schedule(nowMs + this.#periodMs);
    return outputs;
  }

  /** A peer is gone: it is replaced at once, and asked again later where it did not say goodbye itself. */
  drop(peer: PeerId, nowMs: number, why: 'left' | 'lost' | 'doubted'): NodeOutput[] {
    this.#questions.delete(peer);
    const isKnown = this.ring.members.has(peer);
    const isSubscriber = this.ring.remove(peer, nowMs, why);
    if (isKnown) {
      this.#periodMs = this.#parameters.fastPeriodMs;
      this.#hurry(nowMs);
    }
    return isSubscriber ? [this.#subscription(peer, false)] : [];
  }

  #subscription(peer: PeerId, isSubscribed: boolean): NodeOutput {
    return { kind: 'subscription', peer, topic: this.topic, isSubscribed };
  }

  /**
   * A peer without a connection is being asked for another topic's sake: if it is a neighbour here too, or said to be a member,
   * and it will be some time before its turn comes, it is asked along with that. One connection opened serves all topics
   * shared with a peer.
   */
  askAlong(peer: PeerId, nowMs: number): NodeOutput[] {
    const member = this.ring.members.get(peer);
    const { stillPeriodMs } = this.#parameters;
    if (member === undefined || this.#questions.has(peer)) return [];
    if (nowMs - spokenAtMs(member) < stillPeriodMs) return [];
    const newest = this.ring.epochs.at(-1);
    if (!member.isProven) {
      const isWanted = this.#isEager(this.#others()) || this.ring.unprovenNeighbours().includes(member);
      return newest === undefined || !isWanted ? [] : [this.#ask(member.descriptor, newest, nowMs)];
    }
    const shape = this.ring.shapes.find((one) => one.successors.includes(peer) || one.predecessors.includes(peer));
    if (shape === undefined) return [];
    // The round that would have asked it is put off by as much.
    if (this.#periodMs >= stillPeriodMs) this.#roundAtMs += stillPeriodMs / 2;
    return [this.#ask(member.descriptor, shape.epoch, nowMs)];
  }

  /** Says goodbye to those who reckon with us. */
  leave(nowMs: number): NodeOutput[] {
    const epoch = this.ring.epochs.at(-1);
    if (epoch === undefined) return [];
    const proven = [...this.ring.members.values()].filter((member) => member.isProven);
    return proven.map((member) => {
      const message = this.#message(member.descriptor, epoch, 0, false, nowMs);
      return { ...message, message: { ...message.message, isLeaving: true } };
    });
  }

  /**
   * Keeps the rings of the epochs that matter at `nowMs`: the one that runs, the next shortly before it begins, the last until
   * the new one is still.
   */
  refreshEpochs(nowMs: number): void {
    const { epochLeadMs, epochOverlapMs, settledMs } = this.#parameters;
    const kept = this.ring.epochs;
    const [last, current, next] = [nowMs - epochOverlapMs, nowMs, nowMs + epochLeadMs].map((atMs) =>
      epochAt(atMs, epochMs.ring),
    ) as [number, number, number];
    const isStill = kept.includes(current) && nowMs - this.ring.changedAtMs(current) >= settledMs;
    const isLastKept = last !== current && !isStill && (kept.length === 0 || kept.includes(last));
    const epochs = isLastKept ? [last, current] : next === current ? [current] : [current, next];
    if (epochs.length === kept.length && epochs.every((epoch, index) => epoch === kept[index])) return;
    this.ring.setEpochs(epochs, nowMs);
    this.#routes.clear();
    this.#periodMs = this.#parameters.fastPeriodMs;
    if (this.ring.members.size > 0) this.#hurry(nowMs);
  }

  /** A peer is connected: if it was lost, it is asked soon. */
  connected(peer: PeerId, nowMs: number): void {
    if (this.ring.forgive(peer)) this.#hurry(nowMs);
  }

  /** Something of this topic came from a peer: it lives, whatever became of our questions. */
  heard(peer: PeerId, nowMs: number): readonly NodeOutput[] {
    this.#isFed = true;
    return this.spoke(peer, nowMs);
  }

  /** A peer said something about this topic, though it gave nothing. */
  spoke(peer: PeerId, nowMs: number): readonly NodeOutput[] {
    const member = this.ring.members.get(peer);
    if (member !== undefined) member.missCount = 0;
    return this.ring.subscribers.heard(peer, nowMs) ? [this.#subscription(peer, true)] : nothing;
  }

  /** Events stay away: who is there is looked at soon, and often for a while. */
  quicken(nowMs: number): void {
    this.#periodMs = this.#parameters.fastPeriodMs;
    this.#schedule(nowMs + this.#periodMs);
  }

  /** Asks `count` proven members at random, near or far, connected or not, and lets as many of half the shortcuts go that others may come. */
  askSome(count: number, nowMs: number): NodeOutput[] {
    const epoch = this.ring.epochs.at(-1);
    const askable = [...this.ring.members.values()].filter((one) => one.isProven && !this.#questions.has(one.peer));
    if (epoch === undefined) return [];
    const chosen = this.#dependencies.random.shuffle(askable).slice(0, count);
    const outputs = chosen.map((member) => this.#ask(member.descriptor, epoch, nowMs));
    const { shortcuts } = this.ring;
    const spareCount = Math.min(count, shortcuts.length - this.#parameters.shortcutsMax / 2);
    const released = shortcuts.filter((member) => !chosen.includes(member)).slice(0, Math.max(0, spareCount));
    for (const member of released) this.ring.release(member);
    this.quicken(nowMs);
    return outputs;
  }

  /** A neighbour's connection closed: the next round asks it whether it is there. */
  doubt(peer: PeerId, nowMs: number): void {
    const member = this.ring.members.get(peer);
    if (member === undefined || !this.#isNeighbour(peer)) return;
    member.heardAtMs = 0;
    this.#periodMs = this.#parameters.fastPeriodMs; // others may be doubted, too: the next rounds ask them
    this.#schedule(nowMs + this.#parameters.fastPeriodMs);
  }

  /** Who has no address and no connection to us cannot be asked whether it lives: it comes itself, or not at all. */
  #isOutOfReach({ peer, addresses }: Descriptor): boolean {
    return addresses.length === 0 && !this.#dependencies.connections.has(peer);
  }

  #isNeighbour(peer: PeerId): boolean {
    return this.ring.shapes.some((shape) => shape.successors.includes(peer) || shape.predecessors.includes(peer));
  }

  #check(from: PeerId, message: RingMessage, epoch: number, nowMs: number) {
    const { self } = message;
    if (self.peer !== from || from === this.#dependencies.self().peer) return 'wrong-peer';
    if (message.descriptors.length > messageLimits.descriptorsMax) return 'too-many';
    if (message.isReply) {
      const question = this.#questions.get(from);
      if (question?.nonce !== message.nonce || question.epoch !== epoch) return 'unasked';
    }
    if (!isCurrent(self, nowMs) || !isGenuine(self)) return 'bad-descriptor';
    const expected = this.#proofs.get('from', self, epoch);
    return equalSecrets(expected, message.proof) ? null : 'wrong-proof';
  }

  #missed(peer: PeerId, nowMs: number): NodeOutput[] {
    const member = this.ring.members.get(peer);
    if (member === undefined) return [];
    member.missCount += 1;
    member.told = null; // what it was told last may not have arrived
    if (this.#isNeighbour(peer)) this.#hurry(nowMs);
    else this.#schedule(nowMs + this.#parameters.fastPeriodMs);
    if (member.missCount < this.#parameters.missesMax) return [];
    return this.drop(peer, nowMs, member.isProven ? 'lost' : 'doubted');
  }

  #round(nowMs: number): NodeOutput[] {
    this.#roundCount += 1;
    this.#lastRoundAtMs = nowMs;
    const outputs: NodeOutput[] = [];
    for (const member of [...this.ring.members.values()]) {
      const isGone = !isCurrent(member.descriptor, nowMs) || this.#isOutOfReach(member.descriptor);
      if (isGone) outputs.push(...this.drop(member.peer, nowMs, 'doubted'));
    }
    const faded = this.ring.subscribers.fade(nowMs, (peer) => this.ring.members.has(peer));
    outputs.push(...faded.map((peer) => this.#subscription(peer, false)));
    for (const [descriptor, epoch] of this.#choose(nowMs)) outputs.push(this.#ask(descriptor, epoch, nowMs));
    this.#periodMs = Math.min(this.#longestPeriodMs(), this.#periodMs * 2);
    const jitter = 0.8 + 0.4 * this.#dependencies.random.float();
    const { stillPeriodMs, stillGridMs } = this.#parameters;
    const gridMs = this.#periodMs < stillPeriodMs ? 1 : stillGridMs;
    this.#roundAtMs = Math.ceil((nowMs + this.#periodMs * jitter) / gridMs) * gridMs;
    return outputs;
  }

  /** A ring with a gap is looked after often; one with members that are yet to be asked, more often than a still one. */
  #longestPeriodMs(): number {
    const { periodMs, stillPeriodMs, fastPeriodMs } = this.#parameters;
    if (this.#isHeldBack) return periodMs;
    if (this.ring.unprovenNeighbours().length > 0) return fastPeriodMs;
    const others = this.#others();
    if (this.#isEager(others)) return 2 * fastPeriodMs;
    if (this.#isUnfed()) return this.#parameters.unfedPeriodMs;
    return others.every((member) => member.isProven) ? stillPeriodMs : periodMs;
  }

  /** Whether it is worth asking around for events: who reads many topics leaves that to the rounds there are. */
  #isUnfed(): boolean {
    const { fewTopicsMax, unfedRoundsMax } = this.#parameters;
    return !this.#isFed && this.#unfedRounds < unfedRoundsMax && this.#dependencies.topicCount() <= fewTopicsMax;
  }

  /** Whether others should prove themselves soon: some have not, and those who did are too few to choose from. */
  #isEager(others: readonly Member[]): boolean {
    const provenCount = others.filter((member) => member.isProven).length;
    const { fewTopicsMax, othersProvenEnough, othersProvenEnoughOfMany } = this.#parameters;
    const isFew = this.#dependencies.topicCount() <= fewTopicsMax;
    return provenCount < Math.min(others.length, isFew ? othersProvenEnough : othersProvenEnoughOfMany);
  }

  /** Whom this round asks: would-be neighbours, the neighbour heard of longest ago, others yet unproven, a lost one. */
  #choose(nowMs: number): Map<Descriptor, number> {
    const { candidatesPerRoundMax, othersPerRoundMax, otherEveryRounds } = this.#parameters;
    const newest = this.ring.epochs.at(-1);
    const chosen = new Map<Descriptor, number>();
    if (newest === undefined) return chosen;
    this.#isHeldBack = false;
    const mayAsk = (descriptor: Descriptor) => {
      const isAllowed = this.#dependencies.mayAsk(descriptor, nowMs);
      this.#isHeldBack ||= !isAllowed;
      return isAllowed;
    };
    // Who may not be asked now keeps nobody behind it from being asked.
    const ask = (members: readonly Member[], count: number, epoch: number) => {
      let left = count;
      for (const { descriptor } of members) {
        if (left === 0) return;
        if (!mayAsk(descriptor)) continue;
        chosen.set(descriptor, epoch);
        left -= 1;
      }
    };
    ask(this.#oldest(this.ring.unprovenNeighbours()), candidatesPerRoundMax, newest);
    const beforeMs = nowMs - this.#neighbourPauseMs();
    for (const shape of this.ring.shapes) {
      const neighbours = this.#membersOf([...shape.successors, ...shape.predecessors]);
      const rested = neighbours.filter((member) => spokenAtMs(member) <= beforeMs);
      ask(this.#oldest(rested), 1, shape.epoch);
    }
    const others = this.#others();
    const unproven = others.filter((member) => !member.isProven);
    if (this.#isEager(others)) ask(this.#connectedFirst(unproven), othersPerRoundMax, newest);
    else if (this.#isUnfed()) {
      this.#unfedRounds += 1;
      ask(this.#oldest(others), this.#parameters.unfedAskedMax, newest);
    } else if (this.#roundCount % otherEveryRounds === 0) {
      ask(this.#oldest(unproven.length > 0 ? unproven : others), 1, newest);
    }
    const lost = this.ring.takeLost(nowMs, mayAsk);
    if (lost !== undefined) chosen.set(lost, newest);
    this.#isHeldBack &&= chosen.size === 0;
    return chosen;
  }

  #neighbourPauseMs(): number {
    const { neighbourEveryMs, periodMs } = this.#parameters;
    return Math.min(periodMs, neighbourEveryMs * (this.#dependencies.topicCount() - 1));
  }

  /** Members that are no neighbours: who steps in for one, and shortcuts. */
  #others(): Member[] {
    const neighbours = new Set(this.ring.shapes.flatMap((shape) => [...shape.successors, ...shape.predecessors]));
    return [...this.ring.members.values()].filter((member) => !neighbours.has(member.peer));
  }

  #membersOf(peers: readonly PeerId[]): Member[] {
    return peers.flatMap((peer) => this.ring.members.get(peer) ?? []);
  }

  /** Those that were spoken with longest ago first, before them who left a question unanswered; none that is being asked. */
  #oldest(members: readonly Member[]): Member[] {
    const askable = members.filter((member) => !this.#questions.has(member.peer));
    return askable.sort((one, other) => spokenAtMs(one) - spokenAtMs(other));
  }

  /** Who can be asked without a new connection, then who was spoken with longest ago. */
  #connectedFirst(members: readonly Member[]): Member[] {
    const { connections } = this.#dependencies;
    const isConnected = (member: Member) => (connections.has(member.peer) ? 1 : 0);
    return this.#oldest(members).sort((one, other) => isConnected(other) - isConnected(one));
  }

  #ask(descriptor: Descriptor, epoch: number, nowMs: number): NodeOutput {
    const nonce = this.#dependencies.random.integer(2 ** 32);
    this.#questions.delete(descriptor.peer); // set anew: a Map keeps the order of insertion
    this.#questions.set(descriptor.peer, { nonce, epoch, deadlineMs: nowMs + this.#parameters.answerMs });
    const member = this.ring.members.get(descriptor.peer);
    if (member !== undefined) member.askedAtMs = nowMs;
    return this.#message(descriptor, epoch, nonce, false, nowMs);
  }

  #message(to: Descriptor, epoch: number, nonce: number, isReply: boolean, nowMs: number) {
    const message: RingMessage = {
      kind: 'ring',
      route: this.#route(epoch),
      nonce,
      isReply,
      proof: this.#proofs.get('to', to, epoch),
      self: this.#dependencies.self(),
      descriptors: this.#tell(to, epoch, nowMs),
      isLeaving: false,
    };
    return { kind: 'send', to: to.peer, message } as const;
  }

  /** Members that a proven member may want: those next to its place, and a few from elsewhere; none that it was told of. */
  #tell(to: Descriptor, epoch: number, nowMs: number): Descriptor[] {
    const member = this.ring.members.get(to.peer);
    if (!this.ring.isProven(to.peer)) return [];
    const { randomsToldMax, tellAnewEvery } = this.#parameters;
    const told = member === undefined ? new Set<Descriptor>() : toldOf(member, tellAnewEvery);
    // Nobody reaches who has no address, but over connections it made itself.
    const isFit = ({ isProven, peer, descriptor }: Member) =>
      isProven && peer !== to.peer && descriptor.addresses.length > 0 && isCurrent(descriptor, nowMs);
    const near = this.ring.around(epoch, to.publicKey, messageLimits.descriptorsMax - randomsToldMax, isFit);
    const far = this.ring.shortcuts.filter((other) => isFit(other) && !near.includes(other));
    const isNews = (other: Member) => !told.has(other.descriptor);
    const randoms = this.#dependencies.random.shuffle(far.filter(isNews)).slice(0, randomsToldMax);
    const descriptors = [...near.filter(isNews), ...randoms].map((other) => other.descriptor);
    for (const descriptor of descriptors) told.add(descriptor);
    return descriptors;
  }

  #route(epoch: number): Uint8Array {
    const route = this.#routes.get(epoch) ?? this.topic.route(epoch);
    this.#routes.set(epoch, route);
    return route;
  }

  #hurry(nowMs: number): void {
    const { urgentPeriodMs } = this.#parameters;
    this.#schedule(Math.max(nowMs, this.#lastRoundAtMs + urgentPeriodMs));
  }

  #schedule(atMs: number): void {
    this.#roundAtMs = Math.min(this.#roundAtMs, atMs);
  }
}

const spokenAtMs = (member: Member) => (member.missCount > 0 ? 0 : Math.max(member.heardAtMs, member.askedAtMs));

function toldOf(member: Member, tellAnewEvery: number): Set<Descriptor> {
  if (member.told === null || member.exchangeCount % tellAnewEvery === 0) member.told = new Set();
  member.exchangeCount += 1;
  return member.told;
}
