import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Descriptor, isCurrent, isGenuine } from '../descriptor.ts';
import type { ExactInterest } from '../interest/exact-interest.ts';
import type { InterestFilter } from '../interest/interest-filter.ts';
import { similarityOfTwo, similarityToMine } from '../interest/similarity.ts';
import type { AskFiltersMessage, FiltersMessage, Message, NearbyMessage, NearMessage, Outgoing } from '../message.ts';
import { messageLimits } from '../message.ts';
import { OpenQuestions } from '../sampling/open-questions.ts';
import { TokenBuckets } from '../token-buckets.ts';
import { epochAt, epochMs } from '../topic.ts';
import type { Trust } from '../trust.ts';
import { chooseFar, chooseNear, diverseFirst, type Scored } from './choose-views.ts';
import { type ClusteringOptions, clusteringDefaults } from './clustering-options.ts';
import { digestText, digestTextOf, FilterCache, type FilterRefusal } from './filter-cache.ts';
import { RecentMap } from './recent-map.ts';

/** What clustering sees of the node around it. */
export interface ClusteringSurroundings {
  /** Our own descriptor as it is now; its digest is that of {@link shownFilter}. */
  self(): Descriptor;
  /** The noisy filter that we show, if any. */
  shownFilter(): InterestFilter | undefined;
  /** What we read, without noise, in a filter epoch; topics whose rings are incomplete count twice. */
  exactInterest(epoch: number): ExactInterest;
  /** The random view of peer sampling. */
  sampled(): readonly Descriptor[];
  /** Neighbours on the rings. */
  ringNeighbours(): readonly Descriptor[];
  /** Whether there is a connection to the peer: to ask it costs little. */
  isConnected(peer: PeerId): boolean;
}

/** A peer that a join query may be handed to, with what it shows of its interests. */
export interface Neighbour {
  readonly peer: PeerId;
  readonly descriptor: Descriptor;
  readonly filter: InterestFilter | undefined;
}

/** Why input was not taken; each is counted. */
export type ClusteringRefusal = FilterRefusal | 'not-asked' | 'descriptor' | 'sender' | 'too-often' | 'filter-unknown';

/**
 * Finds the peers most like this node (`near`) and a few most unlike it (`far`, fingers into the rest of the world):
 * Vicinity over noisy filters (Voulgaris, van Steen 2013; spec overlay §5). What we choose for ourselves compares what we
 * read exactly with what others show noisily; what we answer to others compares two noisy filters.
 */
export class Clustering {
  readonly #options: ClusteringOptions;
  readonly #random: Random;
  readonly #trust: Trust;
  readonly #around: ClusteringSurroundings;
  readonly #filters: FilterCache;
  /** Best first. */
  #near: readonly Descriptor[] = [];
  /** Oldest first. */
  #far: readonly Descriptor[] = [];
  readonly #nearQuestions: OpenQuestions;
  readonly #filterQuestions: OpenQuestions;
  /** The digests asked for in each open question for filters. */
  readonly #digestsAsked = new Map<PeerId, ReadonlySet<string>>();
  /** Descriptors without their filter yet, and those of peers asked for an answer. */
  readonly #waiting: RecentMap<PeerId, Descriptor>;
  readonly #asked: RecentMap<PeerId, Descriptor>;
  readonly #heardAtMs: RecentMap<PeerId, number>;
  readonly #silentUntilMs: RecentMap<PeerId, number>;
  /** The digest of the filter that a peer showed last without being asked for it. */
  readonly #shownBy: RecentMap<PeerId, string>;
  /** The digest of the filter that a peer has had from us. */
  readonly #told: RecentMap<PeerId, string>;
  readonly #questionsOf: Readonly<Record<'near' | 'filters', TokenBuckets>>;
  readonly #refusals = new Map<ClusteringRefusal, number>();
  /** What we read in this round, by filter epoch, and what was compared with it. */
  readonly #exact = new Map<number, ExactInterest>();
  readonly #similarities = new Map<InterestFilter, number>();
  #rounds = 0;
  #stillMs: number;
  #sameRounds = 0;
  /** How good the similar peers are, and how good they were in the last round; best first. */
  #nearScores: readonly number[] = [];
  #nearScoresBefore: readonly number[] = [];
  #roundAtMs = 0;

  constructor(
    around: ClusteringSurroundings,
    dependencies: { readonly random: Random; readonly trust: Trust },
    options: Partial<ClusteringOptions> = {},
  ) {
    this.#options = { ...clusteringDefaults, ...options };
    this.#stillMs = this.#options.roundMs;
    this.#around = around;
    this.#random = dependencies.random;
    this.#trust = dependencies.trust;
    const { filtersMax, peersMax, waitingMax, questionsMax, questionsPerMinute, answerTimeoutMs } = this.#options;
    const questions = { timeoutMs: answerTimeoutMs, openMax: questionsMax };
    this.#nearQuestions = new OpenQuestions(questions, dependencies);
    this.#filterQuestions = new OpenQuestions(questions, dependencies);
    this.#filters = new FilterCache(filtersMax);
    this.#waiting = new RecentMap(waitingMax);
    this.#asked = new RecentMap(questionsMax);
    this.#heardAtMs = new RecentMap(peersMax);
    this.#silentUntilMs = new RecentMap(peersMax);
    this.#told = new RecentMap(peersMax);
    this.#shownBy = new RecentMap(peersMax);
    const buckets = () => new TokenBuckets(questionsPerMinute, peersMax);
    this.#questionsOf = { near: buckets(), filters: buckets() };
  }

  /** The peers most like us, best first. */
  get near(): readonly Descriptor[] {
    return this.#near;
  }

  /** A few peers most unlike us. */
  get far(): readonly Descriptor[] {
    return this.#far;
  }

  /** How often input was refused, by reason. */
  get refusals(): ReadonlyMap<ClusteringRefusal, number> {
    return this.#refusals;
  }

  /** When {@link wake} wants to be called, unix milliseconds; at once after the making. */
  get dueAtMs(): number {
    return Math.min(this.#roundAtMs, this.#nearQuestions.dueAtMs, this.#filterQuestions.dueAtMs);
  }

  /** Everybody known here, each once: near, far, sampled, ring neighbours. */
  neighbours(): Neighbour[] {
    return [...this.#known().values()].map((descriptor) => ({
      peer: descriptor.peer,
      descriptor,
      filter: this.#filters.of(descriptor),
    }));
  }

  /** Does what is due. */
  wake(nowMs: number): Outgoing[] {
    for (const peer of this.#nearQuestions.expire(nowMs)) {
      this.#asked.delete(peer);
      this.#silentUntilMs.set(peer, nowMs + this.#options.silentMs);
    }
    for (const peer of this.#filterQuestions.expire(nowMs)) this.#digestsAsked.delete(peer);
    return nowMs >= this.#roundAtMs ? this.#round(nowMs) : [];
  }

  /** A peer cannot be reached: it is left out until it is heard from, or for a while. */
  unreachable(peer: PeerId, nowMs: number): void {
    this.#nearQuestions.drop(peer);
    this.#filterQuestions.drop(peer);
    this.#digestsAsked.delete(peer);
    this.#asked.delete(peer);
    this.#silentUntilMs.set(peer, nowMs + this.#options.silentMs);
    this.#near = this.#near.filter((one) => one.peer !== peer);
    this.#far = this.#far.filter((one) => one.peer !== peer);
  }

  /** Asks a peer that was met outside of the views, and shows it what we show. */
  greet(peer: PeerId, nowMs: number): Outgoing[] {
    const nonce = this.#nearQuestions.ask(peer, nowMs);
    return nonce === undefined ? [] : [this.#question(peer, nonce)];
  }

  /** `from` asks for the peers most like it. */
  onNear(from: PeerId, message: NearMessage, nowMs: number): Outgoing[] {
    const asker = message.self;
    if (asker.peer !== from) return this.#refuse('sender');
    if (!this.#questionsOf.near.take(from, nowMs)) return this.#refuse('too-often');
    this.#heard(from, nowMs);
    if (!this.#isUsable(asker, nowMs)) return this.#refuse('descriptor');
    const digest = asker.interestDigest && digestText(asker.interestDigest);
    if (message.filter !== undefined && digest !== undefined) this.#keepShown(from, digest, message.filter, nowMs);
    const descriptors = this.#bestFor(asker, nowMs);
    const answer: Message = { kind: 'nearby', nonce: message.nonce, descriptors };
    const outgoing: Outgoing[] = [{ to: from, message: answer }];
    if (digest !== undefined && this.#filters.get(digest) === undefined) {
      this.#waiting.set(from, asker);
      outgoing.push(...this.#askFilters(from, [digest], nowMs));
    } else {
      this.#offer([asker], nowMs);
    }
    return outgoing;
  }

  /** `from` answers with peers that are like us, as far as it sees. */
  onNearby(from: PeerId, message: NearbyMessage, nowMs: number): Outgoing[] {
    if (!this.#nearQuestions.close(from, message.nonce)) return this.#refuse('not-asked');
    this.#heard(from, nowMs);
    const answerer = this.#asked.delete(from);
    const offered = message.descriptors.slice(0, messageLimits.descriptorsMax);
    const usable = offered.filter((one) => this.#isUsable(one, nowMs));
    if (usable.length < offered.length) this.#refuse('descriptor');
    for (const descriptor of usable) if (descriptor.peer !== from) this.#trust.heard(descriptor.peer, from);
    const candidates = answerer === undefined ? usable : [answerer, ...usable];
    const unknown = candidates.filter((one) => this.#lacksFilter(one));
    for (const descriptor of unknown) this.#waiting.set(descriptor.peer, descriptor);
    this.#offer(candidates, nowMs);
    return this.#askFilters(from, unknown.map(digestTextOfDescriptor), nowMs);
  }

  /** `from` asks for filters: we give those we have. */
  onAskFilters(from: PeerId, message: AskFiltersMessage, nowMs: number): Outgoing[] {
    if (!this.#questionsOf.filters.take(from, nowMs)) return this.#refuse('too-often');
    const own = this.#around.shownFilter();
    const filters: Uint8Array[] = [];
    for (const digest of new Set(message.digests.slice(0, messageLimits.filtersMax).map(digestText))) {
      const filter = own !== undefined && digestTextOf(own.bytes) === digest ? own : this.#filters.get(digest);
      if (filter !== undefined) filters.push(filter.bytes);
    }
    return [{ to: from, message: { kind: 'filters', nonce: message.nonce, filters } }];
  }

  /** `from` gives filters that we asked it for. */
  onFilters(from: PeerId, message: FiltersMessage, nowMs: number): Outgoing[] {
    if (!this.#filterQuestions.close(from, message.nonce)) return this.#refuse('not-asked');
    this.#heard(from, nowMs);
    const asked = this.#digestsAsked.get(from) ?? new Set<string>();
    this.#digestsAsked.delete(from);
    for (const bytes of message.filters.slice(0, messageLimits.filtersMax)) {
      const digest = digestTextOf(bytes);
      if (asked.has(digest)) this.#keepFilter(digest, bytes, nowMs);
      else this.#refuse('filter-unknown');
    }
    const ready = [...this.#waiting.entries()].map(([, one]) => one).filter((one) => this.#filters.of(one));
    for (const descriptor of ready) this.#waiting.delete(descriptor.peer);
    if (ready.length > 0) this.#offer(ready, nowMs);
    return [];
  }

  #round(nowMs: number): Outgoing[] {
    this.#rounds += 1;
    this.#exact.clear();
    this.#similarities.clear();
    const known = this.#known();
    this.#offer(known.values(), nowMs);
    this.#renewFar(known.values(), nowMs);
    this.#filters.keep(this.#near);
    this.#filters.keep(this.#far);
    this.#roundAtMs = nowMs + this.#pauseMs() * (1 + this.#options.roundJitter * (2 * this.#random.float() - 1));
    return [...this.#askOne(nowMs), ...this.#askUnknownFilters(nowMs)];
  }

  #pauseMs(): number {
    const { roundMs, stillRoundMs, firstRounds, firstRoundMs, fastRounds, fastRoundMs, sameRoundsMax } = this.#options;
    // Where many are equally similar, chance makes them others each time, and none better.
    const isSame =
      this.#nearScores.length === this.#nearScoresBefore.length &&
      this.#nearScores.every((score, index) => score === this.#nearScoresBefore[index]);
    this.#nearScoresBefore = this.#nearScores;
    this.#sameRounds = isSame && this.#near.length > 0 ? this.#sameRounds + 1 : 0;
    if (this.#rounds <= firstRounds) return firstRoundMs;
    if (this.#rounds <= fastRounds && this.#sameRounds < sameRoundsMax) return fastRoundMs;
    this.#stillMs = isSame ? Math.min(stillRoundMs, 2 * this.#stillMs) : roundMs;
    return this.#stillMs;
  }

  /** Asks the similar peer that was heard from longest ago, and in between a random one (a pinch of randomness). */
  #askOne(nowMs: number): Outgoing[] {
    const isRandom = this.#near.length === 0 || this.#rounds % this.#options.randomEvery === 0;
    const target = isRandom ? this.#randomPeer(nowMs) : this.#oldestNear();
    if (target === undefined) return [];
    const nonce = this.#nearQuestions.ask(target.peer, nowMs);
    if (nonce === undefined) return [];
    // Out of the view until it answers: a dead peer leaves by being asked (Cyclon).
    this.#near = this.#near.filter((one) => one.peer !== target.peer);
    this.#asked.set(target.peer, target);
    return [this.#question(target.peer, nonce)];
  }

  #question(peer: PeerId, nonce: number): Outgoing {
    const own = this.#around.shownFilter();
    const self = this.#around.self();
    const digest = own && digestTextOf(own.bytes);
    const isNews = own !== undefined && this.#told.get(peer) !== digest;
    if (isNews && digest !== undefined) this.#told.set(peer, digest);
    const message: Message = { kind: 'near', nonce, self, ...(isNews ? { filter: own.bytes } : {}) };
    return { to: peer, message };
  }

  #oldestNear(): Descriptor | undefined {
    const heardAt = (one: Descriptor) => this.#heardAtMs.get(one.peer) ?? 0;
    return this.#random.shuffle(this.#near).sort((one, other) => heardAt(one) - heardAt(other))[0];
  }

  /** One of the samplers' view; every other time one whose filter nobody has told us yet, which is asked for over the same connection. */
  #randomPeer(nowMs: number): Descriptor | undefined {
    const usable = this.#around.sampled().filter((one) => this.#isUsable(one, nowMs));
    const unknown = usable.filter((one) => this.#lacksFilter(one));
    // Not always: who never gives its filter would be asked for ever.
    const candidates = unknown.length === 0 || this.#random.integer(2) === 0 ? usable : unknown;
    return candidates.length === 0 ? undefined : candidates[this.#random.integer(candidates.length)];
  }

  #lacksFilter(one: Descriptor): boolean {
    return one.interestDigest !== undefined && this.#filters.of(one) === undefined;
  }

  /** The samplers' view and the rings bring peers whose filters nobody has told us yet: those connected are asked themselves. */
  #askUnknownFilters(nowMs: number): Outgoing[] {
    const unknown = [...this.#around.sampled(), ...this.#around.ringNeighbours()].filter(
      (one) => this.#lacksFilter(one) && this.#around.isConnected(one.peer) && this.#isUsable(one, nowMs),
    );
    return this.#random
      .shuffle(unknown)
      .slice(0, this.#options.filtersAskedPerRound)
      .flatMap((one) => this.#askFilters(one.peer, [digestTextOfDescriptor(one)], nowMs));
  }

  #askFilters(to: PeerId, digests: readonly string[], nowMs: number): Outgoing[] {
    const wanted = new Set(digests.slice(0, messageLimits.filtersMax));
    if (wanted.size === 0) return [];
    const nonce = this.#filterQuestions.ask(to, nowMs);
    if (nonce === undefined) return [];
    this.#digestsAsked.set(to, wanted);
    const bytes = [...wanted].map((digest) => Uint8Array.from(digest, (letter) => letter.charCodeAt(0)));
    return [{ to, message: { kind: 'ask-filters', nonce, digests: bytes } }];
  }

  /**
   * Keeps what somebody shows unasked: one filter for each, the last; and those we work with stay before it. A crowd that shows
   * new filters without end would else have all others forgotten.
   */
  #keepShown(from: PeerId, digest: string, bytes: Uint8Array, nowMs: number): void {
    if (this.#filters.get(digest) !== undefined) return;
    const before = this.#shownBy.get(from);
    const inUse = [...this.#near, ...this.#far, ...this.#around.sampled(), ...this.#around.ringNeighbours()];
    // What one shows may be another's, whose digest it took for its own.
    const isInUse = inUse.some((one) => before !== undefined && digestTextOfDescriptor(one) === before);
    if (before !== undefined && !isInUse) this.#filters.forget(before);
    this.#filters.keep(inUse);
    this.#keepFilter(digest, bytes, nowMs);
    this.#shownBy.set(from, digest);
  }

  #keepFilter(digest: string, bytes: Uint8Array, nowMs: number): void {
    if (digestTextOf(bytes) !== digest) {
      this.#refuse('filter-unknown');
      return;
    }
    const epoch = epochAt(nowMs, epochMs.filter);
    const { shape } = this.#around.exactInterest(epoch);
    const refusal = this.#filters.put(digest, bytes, { shape, epoch, own: this.#around.shownFilter() });
    if (refusal !== undefined) this.#refuse(refusal);
  }

  /** Chooses `near` anew among itself and `others`. */
  #offer(others: Iterable<Descriptor>, nowMs: number): void {
    const newest = newestOf(this.#near, others);
    const candidates = this.#scoreToUs(newest.values(), nowMs)
      .filter(({ descriptor }) => !this.#nearQuestions.isOpen(descriptor.peer))
      .map(({ descriptor, score }) => ({ descriptor, score: this.#withTrust(descriptor, score) }));
    const chosen = chooseNear(this.#random.shuffle(candidates), this.#options.nearMax);
    this.#near = chosen.map(({ descriptor }) => descriptor);
    this.#nearScores = chosen.map(({ score }) => score);
  }

  /** Fills the places of fingers, and changes the oldest of them each round. */
  #renewFar(known: Iterable<Descriptor>, nowMs: number): void {
    const isNear = new Set(this.#near.map(({ peer }) => peer));
    const sampled = new Set(this.#around.sampled().map(({ peer }) => peer));
    const isRecent = (one: Descriptor) =>
      sampled.has(one.peer) || nowMs - (this.#heardAtMs.get(one.peer) ?? 0) <= this.#options.recentMs;
    const candidates = this.#scoreToUs(known, nowMs).filter(
      ({ descriptor }) => !isNear.has(descriptor.peer) && isRecent(descriptor),
    );
    const kept = this.#far.filter((one) => candidates.some(({ descriptor }) => descriptor.peer === one.peer));
    if (kept.length >= this.#options.farMax) kept.shift();
    const isKept = new Set(kept.map(({ peer }) => peer));
    const { farShare, farMax } = this.#options;
    const others = this.#random
      .shuffle(chooseFar(this.#random.shuffle(candidates), farShare, farMax))
      .filter(({ descriptor }) => !isKept.has(descriptor.peer));
    const choice = diverseFirst(others, farMax - kept.length, kept);
    this.#far = [...kept, ...choice.map(({ descriptor }) => descriptor)];
  }

  /** Everybody known here, the newest descriptor of each. */
  #known(): Map<PeerId, Descriptor> {
    const known = newestOf(this.#near, this.#far, this.#around.sampled(), this.#around.ringNeighbours());
    known.delete(this.#around.self().peer);
    return known;
  }

  /** Those of `descriptors` that hold and whose filters we know, with their similarity to us. */
  #scoreToUs(descriptors: Iterable<Descriptor>, nowMs: number): Scored[] {
    const scored: Scored[] = [];
    for (const descriptor of descriptors) {
      const filter = this.#filters.of(descriptor);
      if (filter === undefined || !this.#isUsable(descriptor, nowMs)) continue;
      scored.push({ descriptor, score: this.#similarityOf(filter) });
    }
    return scored;
  }

  /** How similar the owner of a filter is to us; worked out once a round, for what we read seldom changes. */
  #similarityOf(filter: InterestFilter): number {
    const known = this.#similarities.get(filter);
    if (known !== undefined) return known;
    const mine = this.#exact.get(filter.epoch) ?? this.#around.exactInterest(filter.epoch);
    this.#exact.set(filter.epoch, mine);
    const similarity = similarityToMine(mine, filter);
    if (this.#similarities.size < this.#options.filtersMax) this.#similarities.set(filter, similarity);
    return similarity;
  }

  /** sim^(1−ω) · trust^ω, where strangers have a little trust too: else nobody new is ever taken (spec overlay §3). */
  #withTrust({ peer }: Descriptor, similarity: number): number {
    const trust = Math.max(this.#trust.of(peer), this.#options.strangerTrust);
    return similarity ** (1 - this.#options.trustWeight) * trust ** this.#options.trustWeight;
  }

  /** Ourselves, and those of the peers we know that are most like the asker, both sides noisy. */
  #bestFor(asker: Descriptor, nowMs: number): Descriptor[] {
    const known = [...this.#known().values()].filter(
      (one) => one.peer !== asker.peer && one.addresses.length > 0 && this.#isUsable(one, nowMs),
    );
    const filter = this.#filters.of(asker);
    const scored = this.#random.shuffle(known).map((descriptor) => {
      const theirs = this.#filters.of(descriptor);
      return { descriptor, score: filter && theirs ? similarityOfTwo(filter, theirs) : 0 };
    });
    scored.sort((one, other) => other.score - one.score);
    return [this.#around.self(), ...scored.slice(0, this.#options.answerMax - 1).map(({ descriptor }) => descriptor)];
  }

  #isUsable(descriptor: Descriptor, nowMs: number): boolean {
    const { peer, addresses } = descriptor;
    if (peer === this.#around.self().peer || !isCurrent(descriptor, nowMs)) return false;
    // Who listens nowhere can be asked only as long as it is connected.
    if (addresses.length === 0 && !this.#around.isConnected(peer)) return false;
    return (this.#silentUntilMs.get(peer) ?? 0) <= nowMs && isGenuine(descriptor);
  }

  #heard(peer: PeerId, nowMs: number): void {
    this.#heardAtMs.set(peer, nowMs);
    this.#silentUntilMs.delete(peer);
  }

  #refuse(reason: ClusteringRefusal): never[] {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
    return [];
  }
}

function newestOf(...lists: readonly Iterable<Descriptor>[]): Map<PeerId, Descriptor> {
  const newest = new Map<PeerId, Descriptor>();
  for (const list of lists) {
    for (const descriptor of list) {
      const other = newest.get(descriptor.peer);
      if (other === undefined || other.version < descriptor.version) newest.set(descriptor.peer, descriptor);
    }
  }
  return newest;
}

function digestTextOfDescriptor({ interestDigest }: Descriptor): string {
  return interestDigest === undefined ? '' : digestText(interestDigest);
}
