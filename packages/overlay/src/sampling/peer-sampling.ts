import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { Outgoing, ProbeMessage, PullMessage, ViewMessage } from '../message.ts';
import type { Trust } from '../trust.ts';
import { AnswerBudget, chooseAnswer } from './answers.ts';
import { composeView } from './compose-view.ts';
import { type IntroductionRefusal, Introductions } from './introductions.ts';
import { type DescriptorRefusal, KnownPeers } from './known-peers.ts';
import { MinWise } from './min-wise.ts';
import { OpenQuestions } from './open-questions.ts';
import { completeOptions, peerSamplingLimits as limits, type PeerSamplingOptions } from './options.ts';
import { ReceivedCounts } from './received-counts.ts';
import { RoundPace } from './round-pace.ts';
import { Seeds } from './seeds.ts';

/** Why something that came in was left out. */
export type SamplingRefusal = DescriptorRefusal | IntroductionRefusal | 'unasked' | 'oversized' | 'wrong-peer' | 'busy';

/** What peer sampling needs of its node. */
export interface PeerSamplingDependencies {
  readonly random: Random;
  readonly trust: Trust;
}

/**
 * Keeps a small view of peers that is close to a uniform choice of all, although a share of them lies (spec overlay §2):
 * Brahms without push (nothing is taken that was not asked for, but for few introductions), with a min-wise history, and
 * with what is received weighted by how seldom it is. Without I/O: inputs give messages to send; `wake` when due.
 */
export class PeerSampling {
  readonly #options: PeerSamplingOptions;
  readonly #random: Random;
  readonly #trust: Trust;
  readonly #known = new KnownPeers();
  readonly #history: MinWise;
  readonly #counts: ReceivedCounts;
  readonly #introductions: Introductions;
  readonly #answers: AnswerBudget;
  readonly #probeAnswers: AnswerBudget;
  readonly #pulls: OpenQuestions;
  readonly #probes: OpenQuestions;
  /** Peers in the view and when each was last asked, in rounds. */
  #view = new Map<PeerId, number>();
  /** Named in answers in this round, without repetition. */
  readonly #received = new Set<PeerId>();
  /**
   * How often in sequence pulls and probes to a peer went unanswered. Who answers probes only stays in the history, where
   * it is asked now and then, and out of the view until it answers.
   */
  readonly #pullsMissed = new Map<PeerId, number>();
  readonly #probesMissed = new Map<PeerId, number>();
  /** Whom to ask when nobody is left: the seeds, and the last view that was not empty. */
  #lastResort: readonly Descriptor[] = [];
  readonly #seeds: Seeds;
  #self: Descriptor;
  #round = 0;
  #roundAtMs = Number.POSITIVE_INFINITY;
  /** When a seed is asked again. */
  readonly #pace: RoundPace;
  #isAnswered = false;
  #viewCache: readonly Descriptor[] | undefined;
  readonly #refusals: Partial<Record<SamplingRefusal, number>> = {};

  constructor(
    options: Partial<PeerSamplingOptions> & { readonly self: Descriptor },
    dependencies: PeerSamplingDependencies,
  ) {
    const { self, ...given } = options;
    this.#options = completeOptions(given);
    const { random, trust } = dependencies;
    this.#random = random;
    this.#trust = trust;
    this.#self = self;
    this.#history = new MinWise(this.#options.historySlots, { random });
    this.#counts = new ReceivedCounts(
      {
        exactIdsMax: this.#options.exactIdsMax,
        halveAfter: limits.halveAfterViews * this.#options.viewSize,
        halveAfterPerId: limits.halveAfterPerId,
      },
      { random },
    );
    this.#introductions = new Introductions(this.#options);
    this.#answers = new AnswerBudget(this.#options);
    this.#probeAnswers = new AnswerBudget(this.#options);
    const questions = { timeoutMs: this.#options.answerTimeoutMs, openMax: limits.openMax };
    this.#pulls = new OpenQuestions(questions, { random });
    this.#probes = new OpenQuestions(questions, { random });
    this.#pace = new RoundPace(this.#options);
    this.#seeds = new Seeds(this.#options.roundMs, random, (peer) => this.#known.connected.has(peer));
  }

  /** The peers in the view, at most `viewSize`, in no order. */
  get view(): readonly Descriptor[] {
    this.#viewCache ??= [...this.#view.keys()].flatMap((peer) => this.#known.descriptorOf(peer) ?? []);
    return this.#viewCache;
  }

  /** The newest descriptor of a peer that the view, the history or this round knows, and of friends. */
  descriptorOf(peer: PeerId): Descriptor | undefined {
    return this.#known.descriptorOf(peer);
  }

  /** How often what came in was left out, by reason. */
  get refusals(): Readonly<Partial<Record<SamplingRefusal, number>>> {
    return this.#refusals;
  }

  /** When `wake` has something to do, unix milliseconds; infinite before {@link start}. */
  get dueAtMs(): number {
    return Math.min(this.#roundAtMs, this.#pulls.dueAtMs, this.#probes.dueAtMs);
  }

  /**
   * Begins with `seeds` (from the configuration, a relay or the local network; three or more are wise). Called again it
   * adds further ones.
   */
  start(seeds: readonly Descriptor[], nowMs: number): Outgoing[] {
    for (const seed of seeds) {
      this.#seeds.add(seed.peer, seed);
      this.#addToView(seed, nowMs);
    }
    if (this.#round > 0) return [];
    this.#seeds.begin(nowMs);
    return this.#beginRound(nowMs);
  }

  /** Our own descriptor is another one from now on. */
  renew(self: Descriptor): void {
    this.#self = self;
  }

  /** Ends what ran out and begins the next round where it is time. */
  wake(nowMs: number): Outgoing[] {
    const out: Outgoing[] = [];
    for (const peer of this.#pulls.expire(nowMs)) out.push(...this.#pullMissed(peer, nowMs));
    for (const peer of this.#probes.expire(nowMs)) out.push(...this.#probeMissed(peer, nowMs));
    if (nowMs < this.#roundAtMs) return out;
    this.#endRound(nowMs);
    out.push(...this.#beginRound(nowMs));
    return out;
  }

  /** `from` asks for peers, and introduces itself. */
  onPull(from: PeerId, message: PullMessage, nowMs: number): Outgoing[] {
    if (message.self.peer !== from || from === this.#self.peer) return this.#refuse('wrong-peer');
    if (!(message.want >= 1)) return this.#refuse('oversized');
    if (!this.#answers.take(from)) return this.#refuse('busy');
    this.#known.revive(from); // who was found dead may introduce itself
    this.#takeIntroduction(message.self, nowMs);
    this.#known.heard(from, nowMs);
    const { nonce, want } = message;
    const question = { asker: from, count: Math.min(Math.floor(want), this.#options.answerSize), nowMs };
    const descriptors = chooseAnswer([this.#self, ...this.view], question, this.#random);
    return [{ to: from, message: { kind: 'view', nonce, descriptors } }];
  }

  /** `from` answers a pull. */
  onView(from: PeerId, message: ViewMessage, nowMs: number): Outgoing[] {
    if (!this.#pulls.close(from, message.nonce)) return this.#refuse('unasked');
    this.#isAnswered = true;
    this.#known.heard(from, nowMs);
    this.#pullsMissed.delete(from);
    this.#probesMissed.delete(from);
    if (message.descriptors.length > this.#options.answerSize) return this.#refuse('oversized');
    const named = new Set<PeerId>();
    for (const descriptor of message.descriptors) {
      if (named.has(descriptor.peer)) continue;
      named.add(descriptor.peer);
      const refusal = descriptor.peer === this.#self.peer ? 'own' : this.#learn(descriptor, nowMs);
      if (refusal !== null) {
        this.#refuse(refusal);
        continue;
      }
      this.#counts.add(descriptor.peer);
      this.#received.add(descriptor.peer);
      this.#trust.heard(descriptor.peer, from);
    }
    return [];
  }

  /** `from` asks whether we live, or says that it does. */
  onProbe(from: PeerId, message: ProbeMessage, nowMs: number): Outgoing[] {
    if (message.isReply) {
      if (!this.#probes.close(from, message.nonce)) return this.#refuse('unasked');
      this.#known.heard(from, nowMs);
      this.#probesMissed.delete(from);
      return [];
    }
    if (!this.#probeAnswers.take(from)) return this.#refuse('busy');
    return [{ to: from, message: { kind: 'probe', nonce: message.nonce, isReply: true } }];
  }

  /**
   * There is a connection to `peer`. While the view is short it is asked at once. It is a seed from now on where somebody else
   * than the overlay chose it (`isSeed`).
   */
  connected(peer: PeerId, nowMs: number, isSeed = false): Outgoing[] {
    this.#known.connect(peer);
    if (isSeed) this.#seeds.add(peer, this.#known.descriptorOf(peer) ?? null);
    if (!this.#isShort || this.#roundAtMs === Number.POSITIVE_INFINITY) return [];
    this.#pace.quicken();
    this.#roundAtMs = Math.min(this.#roundAtMs, nowMs + this.#options.fastRoundMs);
    // A round asks as many on its own account; who connects in crowds waits for the next ones.
    return this.#pulls.size < this.#options.pullsPerRound ? this.#pull(peer, nowMs) : [];
  }

  /** The last connection to `peer` is gone. */
  disconnected(peer: PeerId): void {
    this.#known.disconnect(peer);
    const descriptor = this.#known.descriptorOf(peer);
    if (descriptor === undefined || descriptor.addresses.length > 0) return;
    this.#removeFromView(peer);
    this.#history.empty(peer);
  }

  /** `peer` could not be reached under any of its addresses: it is held for dead. */
  unreachable(peer: PeerId, nowMs: number): void {
    this.#pulls.drop(peer);
    this.#probes.drop(peer);
    this.#dead(peer, nowMs);
  }

  get #isShort(): boolean {
    return this.#view.size < this.#options.viewSize / 2;
  }

  #beginRound(nowMs: number): Outgoing[] {
    this.#round += 1;
    const jitter = 1 + this.#options.roundJitter * (2 * this.#random.float() - 1);
    this.#roundAtMs = nowMs + this.#pace.pauseMs(this.#isShort) * jitter;
    const out: Outgoing[] = [];
    for (const peer of this.#targets(nowMs)) {
      if (this.#view.has(peer)) this.#view.set(peer, this.#round);
      out.push(...this.#pull(peer, nowMs));
    }
    for (let probe = 0; probe < this.#options.probesPerRound; probe += 1) {
      const peer = this.#history.pick();
      // Whom we have just asked for peers shows by its answer that it lives.
      if (peer === undefined || this.#pulls.isOpen(peer)) continue;
      if (this.#known.isAlive(peer, this.#options.aliveMs, nowMs)) continue;
      out.push(...this.#probe(peer, nowMs));
    }
    return out;
  }

  /** Whom to ask: a friend, now and then a seed, one of the history, the rest of the view that was asked longest ago. */
  #targets(nowMs: number): Iterable<PeerId> {
    if (this.#view.size === 0) this.#startAgain(nowMs);
    const { pullsPerRound } = this.#options;
    const targets = new Set<PeerId>();
    const isFree = (peer: PeerId) => this.#known.isUsable(peer, nowMs) && !this.#pulls.isOpen(peer);
    const friends = this.#trust.friends().slice(0, limits.friendsMax).filter(isFree);
    const friend = friends[this.#random.integer(Math.max(1, friends.length))];
    if (friend !== undefined) targets.add(friend);
    // Who was lied to by all from the beginning finds back to the others only through whom it did not get from them.
    const seed = this.#seeds.next((peer, descriptor) => this.#canAskSeed(peer, descriptor, nowMs), nowMs);
    if (seed !== undefined) targets.add(seed);
    const old = this.#history.pick();
    if (old !== undefined && isFree(old) && targets.size < pullsPerRound) targets.add(old);
    const oldest = this.#random.shuffle([...this.#view]).sort(([, one], [, other]) => one - other);
    // One dial a round will do, or two every other: the rest are asked over connections that are there, as far as the view has such.
    const isLinked = (peer: PeerId) => this.#known.connected.has(peer);
    const free = oldest.map(([peer]) => peer).filter((peer) => isFree(peer) && !targets.has(peer));
    const unlinked = free.filter((peer) => !isLinked(peer));
    const mayDial = this.#round % 2 === 0 || [...targets].every(isLinked);
    const first = mayDial ? unlinked.splice(0, 1) : [];
    for (const peer of [...first, ...free.filter(isLinked), ...unlinked]) {
      if (targets.size >= pullsPerRound) break;
      targets.add(peer);
    }
    if (this.#isShort) this.#addConnected(targets);
    return targets;
  }

  /** A seed that was found dead long ago may live again, and who lies to us does not name it. */
  #canAskSeed(peer: PeerId, descriptor: Descriptor | null, nowMs: number): boolean {
    if (this.#pulls.isOpen(peer)) return false;
    if (descriptor !== null) this.#learn(descriptor, nowMs);
    return this.#known.isUsable(peer, nowMs) || this.#known.connected.has(peer);
  }

  #learn(descriptor: Descriptor, nowMs: number): DescriptorRefusal | null {
    const refusal = this.#known.learn(descriptor, nowMs);
    const newest = refusal === null ? this.#known.descriptorOf(descriptor.peer) : undefined;
    if (newest !== undefined) this.#seeds.update(newest);
    return refusal;
  }

  /** While the view is short, whoever is connected is asked too, be its descriptor known or not. */
  #addConnected(targets: Set<PeerId>): void {
    const free: PeerId[] = [];
    for (const peer of this.#known.connected) {
      if (free.length >= limits.openMax) break;
      if (!this.#view.has(peer) && !this.#pulls.isOpen(peer)) free.push(peer);
    }
    for (const peer of this.#random.shuffle(free)) {
      if (targets.size >= this.#options.pullsPerRound) break;
      targets.add(peer);
    }
  }

  /** Nobody is left, perhaps because our own network was gone: the seeds and the last view may live after all. */
  #startAgain(nowMs: number): void {
    const again = this.#random.shuffle([...this.#seeds.descriptors, ...this.#lastResort]);
    for (const descriptor of again.slice(0, this.#options.viewSize)) {
      this.#known.revive(descriptor.peer);
      this.#addToView(descriptor, nowMs);
    }
  }

  #endRound(nowMs: number): void {
    const introduced = this.#introductions.take(nowMs).map(({ peer }) => peer);
    let hasNew = false;
    for (const peer of introduced) {
      this.#counts.add(peer);
      hasNew = this.#history.feed(peer) || hasNew;
    }
    for (const peer of this.#received) hasNew = this.#history.feed(peer) || hasNew;
    // As long as the history is not yet one of most peers, liars who were there first hold more than their share of it.
    if (hasNew) this.#pace.stir();
    for (const peer of this.#history.peers()) if (!this.#known.isUsable(peer, nowMs)) this.#history.empty(peer);
    this.#renewView(introduced, nowMs);
    this.#pace.ended(this.#view.size, this.#isAnswered);
    this.#isAnswered = false;
    this.#received.clear();
    this.#answers.renew();
    this.#probeAnswers.renew();
    this.#prune(nowMs);
    if (this.#view.size > 0) this.#lastResort = this.view;
  }

  #renewView(introduced: readonly PeerId[], nowMs: number): void {
    const isFit = (peer: PeerId) =>
      (this.#pullsMissed.get(peer) ?? 0) < limits.triesMax && this.#known.isUsable(peer, nowMs);
    const sources = {
      introduced,
      received: this.#received,
      history: this.#history.peers(),
      view: [...this.#view.keys()],
      isFit,
      weight: (peer: PeerId) => this.#weight(peer),
    };
    const before = this.#view;
    this.#view = new Map();
    for (const peer of composeView(this.#options, sources, this.#random)) this.#view.set(peer, before.get(peer) ?? 0);
    this.#viewCache = undefined;
  }

  /**
   * How gladly a peer is taken: the less the more often it was named, the more the more it is trusted (spec §3). The
   * specification divides by the count itself; as a good part of what was heard in a round is taken, without repetition,
   * that leaves who is named often an advantage of some points, which the exponent takes back.
   */
  #weight(peer: PeerId): number {
    const { strangerWeight } = this.#options;
    return (
      (strangerWeight + (1 - strangerWeight) * this.#trust.of(peer)) /
      this.#counts.estimate(peer) ** limits.frequencyExponent
    );
  }

  #prune(nowMs: number): void {
    const held = new Set([...this.#view.keys(), ...this.#history.peers(), ...this.#seeds.peers]);
    for (const friend of this.#trust.friends().slice(0, limits.friendsMax)) held.add(friend);
    for (const peer of this.#known.prune((known) => held.has(known), nowMs)) {
      this.#trust.forget(peer);
      this.#pullsMissed.delete(peer);
      this.#probesMissed.delete(peer);
    }
  }

  #pull(peer: PeerId, nowMs: number): Outgoing[] {
    const nonce = this.#pulls.ask(peer, nowMs);
    if (nonce === undefined) return [];
    return [{ to: peer, message: { kind: 'pull', nonce, self: this.#self, want: this.#options.answerSize } }];
  }

  #probe(peer: PeerId, nowMs: number): Outgoing[] {
    const nonce = this.#probes.ask(peer, nowMs);
    return nonce === undefined ? [] : [{ to: peer, message: { kind: 'probe', nonce, isReply: false } }];
  }

  #pullMissed(peer: PeerId, nowMs: number): Outgoing[] {
    const missed = (this.#pullsMissed.get(peer) ?? 0) + 1;
    if (this.#known.descriptorOf(peer) === undefined) return [];
    this.#pullsMissed.set(peer, missed);
    if (missed < limits.triesMax) return [];
    this.#removeFromView(peer);
    return this.#probe(peer, nowMs);
  }

  #probeMissed(peer: PeerId, nowMs: number): Outgoing[] {
    const missed = (this.#probesMissed.get(peer) ?? 0) + 1;
    if (this.#known.descriptorOf(peer) === undefined) return [];
    this.#probesMissed.set(peer, missed);
    if (missed < limits.triesMax) return this.#probe(peer, nowMs);
    this.#dead(peer, nowMs);
    return [];
  }

  #dead(peer: PeerId, nowMs: number): void {
    this.#pace.stir();
    this.#pace.lost();
    this.#removeFromView(peer);
    this.#received.delete(peer);
    this.#history.reseed(peer);
    this.#known.bury(peer, nowMs + this.#options.deadMs);
    this.#trust.forget(peer);
    this.#pullsMissed.delete(peer);
    this.#probesMissed.delete(peer);
  }

  #takeIntroduction(descriptor: Descriptor, nowMs: number): void {
    const refusal = this.#introductions.refusal(descriptor, nowMs);
    // What is known of a peer may always become newer: that gives it no place it does not have.
    const isKnown = this.#known.descriptorOf(descriptor.peer) !== undefined;
    const learned = refusal === null || isKnown ? this.#learn(descriptor, nowMs) : null;
    const reason = learned ?? refusal;
    if (reason !== null) this.#refuse(reason);
    else this.#introductions.add(descriptor, nowMs);
  }

  #addToView(descriptor: Descriptor, nowMs: number): void {
    if (descriptor.peer === this.#self.peer || this.#view.size >= this.#options.viewSize) return;
    if (this.#learn(descriptor, nowMs) !== null) return;
    this.#view.set(descriptor.peer, 0);
    this.#history.feed(descriptor.peer);
    this.#viewCache = undefined;
  }

  #removeFromView(peer: PeerId): void {
    if (this.#view.delete(peer)) this.#viewCache = undefined;
  }

  #refuse(reason: SamplingRefusal): [] {
    this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1;
    return [];
  }
}
