import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Descriptor, decodeDescriptor } from '../descriptor.ts';
import { defaultFilterShape, type FilterShape } from '../interest/interest-filter.ts';
import type { JoinedMessage, JoinQuery, Outgoing } from '../message.ts';
import { messageLimits } from '../message.ts';
import { TokenBuckets } from '../token-buckets.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { type JoinSeals, joinAnswerLimits, joinSeals, layersOf, type ReplyKey } from './join-answer.ts';
import { hintOf, type JoinMode } from './join-hint.ts';
import { type JoiningOptions, joiningDefaults } from './joining-options.ts';
import { NextHops } from './next-hop.ts';
import { isOpen, OwnAnswers } from './own-answers.ts';
import { type ReturnPath, ReturnPaths } from './return-paths.ts';
import type { JoiningSurroundings } from './surroundings.ts';

export interface JoiningDependencies {
  readonly random: Random;
  /** May remember descriptors that were checked before; default: {@link decodeDescriptor}. */
  readonly decode?: (bytes: Uint8Array) => Descriptor;
  /** Default: {@link joinSeals}. */
  readonly seals?: JoinSeals;
}

type Send = { readonly kind: 'send' } & Outgoing;

/** What joining asks of its driver, in order. */
export type JoinOutput =
  | Send
  /** Somebody who knows the topic named these as members; whoever needs certainty lets them prove it. */
  | { readonly kind: 'found'; readonly topic: Topic; readonly descriptors: readonly Descriptor[] }
  /** All tries went by without an answer. */
  | { readonly kind: 'not-found'; readonly topic: Topic };

/** Why input was not taken; each is counted. */
export type JoinRefusal =
  | 'too-often'
  | 'repeated'
  | 'malformed'
  | 'no-way'
  | 'not-asked'
  | 'wrong-peer'
  | 'answer-broken';

/** A private query that was handed on, and the topic of ours that it is for, if any. */
interface Awaited {
  readonly query: JoinQuery;
  readonly topic: Topic | undefined;
  readonly untilMs: number;
}

interface Seek {
  readonly topic: Topic;
  readonly mode: JoinMode;
  nonce: Uint8Array;
  /** Made when there is somebody to ask. */
  replyKey: ReplyKey | undefined;
  /** Queries sent so far, and to whom: an answer to an earlier try is welcome while a later one is under way. */
  readonly ids: string[];
  readonly asked: PeerId[];
  tries: number;
  isFound: boolean;
  untilMs: number;
  /** When the last try was made. */
  triedMs: number;
}

/**
 * Looks for subscribers of a topic without naming it, and helps others look (spec overlay §5). A query carries a tag that
 * only who knows the topic recognises, and positions in interest filters (some false) towards which it is handed from
 * peer to peer. Who recognises it seals members' descriptors to the asker; the answer goes back the same way, so
 * that nobody on it learns more than two neighbours.
 */
export class Joining {
  readonly #options: JoiningOptions;
  readonly #shape: FilterShape;
  readonly #around: JoiningSurroundings;
  readonly #random: Random;
  readonly #nextHops: NextHops;
  readonly #ownAnswers: OwnAnswers;
  readonly #decode: (bytes: Uint8Array) => Descriptor;
  readonly #seals: JoinSeals;
  readonly #seeks = new Map<string, Seek>();
  readonly #seekOfId = new Map<string, Seek>();
  readonly #paths: ReturnPaths;
  /** Answers that leave later, in no order. */
  #waiting: { readonly atMs: number; readonly output: Send }[] = [];
  /** Private queries that were handed on, by id, until something comes back. */
  readonly #awaited = new Map<string, Awaited>();
  /** Asked for after each input of a node, and null after one that may have changed it. */
  #dueAtMs: number | null = null;
  readonly #received: TokenBuckets;
  /** What one neighbour may have handed on, and may ask without a hint, which is compared with all that is read here. */
  readonly #handedOn: TokenBuckets;
  readonly #unhinted: TokenBuckets;
  readonly #forwarded: TokenBuckets;
  readonly #pairs: TokenBuckets<string>;
  readonly #own: TokenBuckets;
  readonly #ownMore: TokenBuckets;
  readonly #refusals = new Map<JoinRefusal, number>();

  constructor(
    around: JoiningSurroundings,
    dependencies: JoiningDependencies,
    options: Partial<JoiningOptions> & { readonly shape?: FilterShape } = {},
  ) {
    const { shape = defaultFilterShape, ...rest } = options;
    this.#options = { ...joiningDefaults, ...rest };
    this.#shape = shape;
    this.#around = around;
    this.#random = dependencies.random;
    this.#decode = dependencies.decode ?? decodeDescriptor;
    this.#seals = dependencies.seals ?? joinSeals;
    const seals = this.#seals;
    this.#nextHops = new NextHops(around, dependencies, this.#options);
    this.#ownAnswers = new OwnAnswers(around, { random: this.#random, seals }, { ...this.#options, shape });
    const { pathsMax, queriesPerMinute, queriesPerPairMinute, queriesMorePerMinute, peersMax } = this.#options;
    this.#paths = new ReturnPaths(pathsMax);
    const buckets = (perMinute: number) => new TokenBuckets(perMinute, peersMax);
    this.#received = buckets(2 * (queriesPerMinute + queriesMorePerMinute));
    this.#handedOn = buckets(2 * queriesPerMinute);
    this.#unhinted = buckets(2 * queriesPerMinute);
    this.#forwarded = buckets(queriesPerMinute);
    this.#pairs = new TokenBuckets(queriesPerPairMinute, pairsPerPeer * peersMax);
    this.#own = buckets(queriesPerMinute);
    this.#ownMore = buckets(queriesMorePerMinute);
  }

  /** How often input was refused, by reason. */
  get refusals(): ReadonlyMap<JoinRefusal, number> {
    return this.#refusals;
  }

  /** When {@link wake} wants to be called, unix milliseconds. */
  get dueAtMs(): number {
    this.#dueAtMs ??= this.#nextDueAtMs();
    return this.#dueAtMs;
  }

  #nextDueAtMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#seeks.values()) due = Math.min(due, untilMs);
    for (const { atMs } of this.#waiting) due = Math.min(due, atMs);
    for (const { untilMs } of this.#awaited.values()) due = Math.min(due, untilMs);
    return due;
  }

  /**
   * Looks for members of a topic. A search that is under way asks once more, those it has not asked first; what it asked
   * before may still be answered. Nothing where too many topics are sought.
   */
  seek(topic: Topic, mode: JoinMode, nowMs: number): JoinOutput[] {
    const running = this.#seeks.get(topic.name);
    if (running !== undefined && !running.isFound) return this.#again(running, nowMs);
    if (running !== undefined) this.#end(running);
    if (this.#seeks.size >= this.#options.seeksMax) return [{ kind: 'not-found', topic }];
    const seek: Seek = {
      ...{ topic, mode, replyKey: undefined, nonce: noNonce },
      ...{ ids: [], asked: [], tries: 0, isFound: false, untilMs: nowMs, triedMs: nowMs },
    };
    this.#seeks.set(topic.name, seek);
    return this.#try(seek, nowMs);
  }

  #again(seek: Seek, nowMs: number): JoinOutput[] {
    const { againMs, triesMax, copies, roundsMax } = this.#options;
    if (nowMs - seek.triedMs < againMs || seek.ids.length >= triesMax * copies * roundsMax) return [];
    const { tries } = seek;
    const outputs = this.#try(seek, nowMs);
    seek.tries = tries; // its own tries are still due
    return outputs;
  }

  /** Stops looking for members of a topic. */
  stop(topic: Topic): void {
    const seek = this.#seeks.get(topic.name);
    if (seek !== undefined) this.#end(seek);
    // Who left is no member any more: what is waited for gets a false answer.
    for (const [id, one] of this.#awaited)
      if (one.topic?.name === topic.name) this.#awaited.set(id, { ...one, topic: undefined });
  }

  /** Does what is due: further tries, and the end of seeks that had theirs. */
  wake(nowMs: number): JoinOutput[] {
    this.#dueAtMs = null;
    const outputs: JoinOutput[] = this.#waiting.filter(({ atMs }) => atMs <= nowMs).map(({ output }) => output);
    if (outputs.length > 0) this.#waiting = this.#waiting.filter(({ atMs }) => atMs > nowMs);
    for (const [id, { untilMs }] of [...this.#awaited])
      if (untilMs <= nowMs) outputs.push(...this.#unanswered(id, nowMs));
    for (const seek of [...this.#seeks.values()]) {
      if (seek.untilMs > nowMs) continue;
      if (!seek.isFound && seek.tries < this.#options.triesMax) {
        outputs.push(...this.#try(seek, nowMs));
      } else {
        this.#end(seek);
        if (!seek.isFound) outputs.push({ kind: 'not-found', topic: seek.topic });
      }
    }
    return outputs;
  }

  /**
   * A query handed to us by `from`. An open one is answered where we read its topic, else handed on. A private one is handed on
   * whatever we read, and what we have to say takes the place of the first answer that comes back: who plays somebody's query again
   * to one peer after another cannot tell by time or number of answers who the members are.
   */
  onJoin(from: PeerId, query: JoinQuery, nowMs: number): JoinOutput[] {
    if (!isWellFormed(query, this.#shape)) return this.#refuse('malformed');
    const id = idText(query.id);
    const isHinted = query.hint.length > 0;
    const mayAsk = this.#received.take(from, nowMs) && (isHinted || this.#unhinted.take(from, nowMs));
    if (!mayAsk) return this.#refuse('too-often');
    const path = this.#paths.get(id, nowMs);
    if (path !== undefined || this.#seekOfId.has(id)) return this.#comeRound(from, query, path, nowMs);
    const topic = this.#ownAnswers.topicFor(query, from, nowMs);
    const way = this.#remember(query, from, nowMs);
    if (topic !== undefined && isOpen(query)) return this.#answer(from, query, topic, nowMs);
    const outputs = this.#handOn(query, way, [from], topic, nowMs);
    if (way.to.size > 0 && !isOpen(query)) this.#await(id, query, topic, nowMs);
    return outputs;
  }

  /**
   * A query that was here before and comes by another peer goes another way: a greedy walk among peers who are alike soon
   * meets itself. Whether it was answered here makes no difference.
   */
  #comeRound(from: PeerId, query: JoinQuery, path: ReturnPath | undefined, nowMs: number): JoinOutput[] {
    if (path === undefined || path.from === from) return this.#refuse('repeated');
    if (path.visits >= this.#options.waysMax || query.ttl <= 1) {
      // Who hands on a private query waits for something to come back.
      return isOpen(query) ? this.#refuse('repeated') : this.#answer(from, query, undefined, nowMs);
    }
    path.visits += 1;
    const waysBefore = path.to.size;
    const outputs = this.#handOn(query, path, [from, path.from], undefined, nowMs);
    // What comes back of the new way goes to who brought the query first; this one shall not wait for it.
    const mustAnswer = !isOpen(query) && path.to.size > waysBefore;
    return mustAnswer ? [...outputs, ...this.#answer(from, query, undefined, nowMs)] : outputs;
  }

  /**
   * Hands a query to one more neighbour, which joins those of its way. Where it can go no further, or comes from one who had many
   * handed on, it gets our answer, a false one where we do not read `topic`.
   */
  #handOn(
    query: JoinQuery,
    way: ReturnPath,
    without: readonly PeerId[],
    topic: Topic | undefined,
    nowMs: number,
  ): JoinOutput[] {
    const from = without[0] as PeerId; // whoever handed it to us
    const isLast = query.ttl <= 1;
    const isAllowed = !isLast && this.#handedOn.take(from, nowMs);
    const isTaken = (peer: PeerId) => this.#pairs.left(pairKey(from, peer), nowMs) < 1;
    const terms = { hint: query.hint, budget: this.#forwarded, without: [...without, ...way.to.keys()], isTaken };
    const next = isAllowed ? this.#nextHops.choose(terms, nowMs) : undefined;
    if (next === undefined) {
      if (!isLast) this.#refuse(isAllowed ? 'no-way' : 'too-often');
      return this.#answer(from, query, topic, nowMs);
    }
    this.#pairs.take(pairKey(from, next), nowMs);
    const ttl = this.#hopsAfter(query.ttl);
    this.#went(way, next, ttl);
    return [{ kind: 'send', to: next, message: { kind: 'join', query: { ...query, ttl } } }];
  }

  /** Waits for what comes back of a query: the longer, the more hops it has left, since each on its way waits as well. */
  #await(id: string, query: JoinQuery, topic: Topic | undefined, nowMs: number): void {
    const { hopPatienceMs, awaitedMax } = this.#options;
    if (this.#awaited.size >= awaitedMax) this.#awaited.delete(this.#awaited.keys().next().value as string); // not empty
    this.#awaited.set(id, { query, topic, untilMs: nowMs + hopPatienceMs * query.ttl });
    this.#dueAtMs = null;
  }

  /** A peer cannot be reached: nothing will come back of what was handed to nobody else. */
  unreachable(peer: PeerId, nowMs: number): JoinOutput[] {
    const outputs: JoinOutput[] = [];
    for (const id of [...this.#awaited.keys()]) {
      const path = this.#paths.get(id, nowMs);
      if (path !== undefined && path.to.size === 1 && path.to.has(peer)) outputs.push(...this.#unanswered(id, nowMs));
    }
    return outputs;
  }

  /** Nothing came back of a query that was handed on: it gets our answer. */
  #unanswered(id: string, nowMs: number): JoinOutput[] {
    const { query, topic } = this.#awaited.get(id) as Awaited; // the caller has seen it
    this.#awaited.delete(id);
    this.#dueAtMs = null;
    const path = this.#paths.get(id, nowMs);
    const box = this.#ownAnswers.seal(query, topic);
    if (path === undefined || box === undefined) return [];
    return [{ kind: 'send', to: path.from, message: { kind: 'joined', id: query.id, box } }];
  }

  /** One less; of the most, every other time as many: only the asker would else ever send that. */
  #hopsAfter(hops: number): number {
    const { hopsMax, hopsSpread } = this.#options;
    return hops === hopsMax && hopsSpread > 0 && this.#random.integer(2) === 0 ? hops : hops - 1;
  }

  /**
   * Lets our answer leave after a while, a false one where there is no topic. Who plays somebody's query again to one peer after another gets an answer from
   * each, at about the same time and of the same size, and cannot tell the members among them.
   */
  #answer(to: PeerId, query: JoinQuery, topic: Topic | undefined, nowMs: number): JoinOutput[] {
    const { answersWaitingMax, answersWaitingPerPeerMax } = this.#options;
    const waitingFor = this.#waiting.filter(({ output }) => output.to === to).length;
    if (this.#waiting.length >= answersWaitingMax || waitingFor >= answersWaitingPerPeerMax)
      return this.#refuse('too-often');
    const box = this.#ownAnswers.seal(query, topic);
    if (box === undefined) return [];
    const output = { kind: 'send', to, message: { kind: 'joined', id: query.id, box } } as const;
    if (this.#options.answerDelayMs === 0) return [output];
    this.#waiting.push({ atMs: nowMs + this.#random.float() * this.#options.answerDelayMs, output });
    this.#dueAtMs = null;
    return [];
  }

  /** An answer on its way back, or to us. */
  onJoined(from: PeerId, message: JoinedMessage, nowMs: number): JoinOutput[] {
    const id = idText(message.id);
    const seek = this.#seekOfId.get(id);
    const path = this.#paths.get(id, nowMs);
    // An answer to a seek of ours that ended finds the path, but nobody who waits.
    const isLate = path?.from === this.#around.self().peer && seek === undefined;
    if (path === undefined || isLate) return this.#refuse('not-asked');
    const left = path.to.get(from);
    if (left === undefined) return this.#refuse('wrong-peer');
    // It counts for nothing: what could not be handed back must not end the waiting.
    if ((layersOf(message.box) ?? Number.POSITIVE_INFINITY) > path.layersMost) return this.#refuse('malformed');
    if (left === 0) return this.#refuse('too-often');
    path.to.set(from, left - 1);
    if (seek !== undefined) return this.#found(seek, message.box, nowMs);
    const topic = this.#awaited.get(id)?.topic;
    this.#awaited.delete(id);
    this.#dueAtMs = null;
    const { sealedTo } = path;
    const box = sealedTo === null ? message.box : this.#ownAnswers.handBack(sealedTo, topic, message.box);
    return box === undefined ? [] : [{ kind: 'send', to: path.from, message: { ...message, box } }];
  }

  #found(seek: Seek, box: Uint8Array, nowMs: number): JoinOutput[] {
    const { topic, nonce, replyKey } = seek;
    if (replyKey === undefined) return this.#refuse('not-asked');
    const members = this.#seals.open(box, { topic, nonce, replyKey }, this.#decode, nowMs);
    if (members === undefined) return this.#refuse('answer-broken');
    const self = this.#around.self().peer;
    const descriptors = members.filter(({ peer }) => peer !== self);
    if (descriptors.length === 0) return [];
    seek.isFound = true;
    return [{ kind: 'found', topic: seek.topic, descriptors }];
  }

  /** Sends the copies of one try, each with an id and a way of its own. */
  #try(seek: Seek, nowMs: number): JoinOutput[] {
    seek.tries += 1;
    seek.triedMs = nowMs;
    seek.untilMs = nowMs + this.#options.tryMs;
    this.#dueAtMs = null;
    if (this.#around.neighbours().length === 0 && this.#around.friends().length === 0) return [];
    const self = this.#around.self().peer;
    if (seek.replyKey === undefined) {
      seek.replyKey = this.#seals.createReplyKey(this.#random);
      seek.nonce = this.#random.bytes(16);
    }
    const hint = hintOf(seek.topic, seek.mode, epochAt(nowMs, epochMs.filter), this.#shape);
    const said = { nonce: seek.nonce, replyKey: seek.replyKey.publicKey, hint };
    const shared = { ...said, tag: seek.topic.joinTag(said) };
    const outputs: JoinOutput[] = [];
    for (const to of this.#firstHops(seek, hint, nowMs)) {
      const query = { ...shared, id: this.#random.bytes(16), ttl: this.#startHops() };
      const id = idText(query.id);
      seek.ids.push(id);
      seek.asked.push(to);
      this.#seekOfId.set(id, seek);
      this.#went(this.#remember(query, self, nowMs), to, query.ttl);
      outputs.push({ kind: 'send', to, message: { kind: 'join', query } });
    }
    return outputs;
  }

  #startHops(): number {
    return this.#options.hopsMax - this.#random.integer(this.#options.hopsSpread + 1);
  }

  /** As many different neighbours as there are copies; those of an earlier try only where there are no others. */
  #firstHops(seek: Seek, hint: readonly number[], nowMs: number): PeerId[] {
    const { copies } = this.#options;
    const chosen: PeerId[] = [];
    if (seek.mode === 'sensitive') {
      // One place stays for a stranger: friends alone may all be friends of each other.
      const friends = this.#random.shuffle(this.#around.friends().slice(0, friendsMax));
      for (const friend of friends) {
        if (chosen.length < copies - 1 && this.#own.take(friend, nowMs)) chosen.push(friend);
      }
    }
    const next = (without: readonly PeerId[]) => this.#nextHops.choose({ hint, budget: this.#own, without }, nowMs);
    while (chosen.length < copies) {
      const hop = next([...chosen, ...seek.asked]) ?? next(chosen);
      if (hop === undefined) break;
      chosen.push(hop);
    }
    if (chosen.length > 0 || hint.length === 0) return chosen;
    // Who has few neighbours and many topics asks a connected one beyond its share: it may read them all itself.
    const last = this.#nextHops.choose({ hint, budget: this.#ownMore, without: [], isConnected: true }, nowMs);
    return last === undefined ? chosen : [last];
  }

  #remember(query: JoinQuery, from: PeerId, nowMs: number): ReturnPath {
    const sealedTo = isOpen(query) ? null : { replyKey: query.replyKey, nonce: query.nonce };
    const untilMs = nowMs + this.#options.pathMs;
    const way: ReturnPath = { from, to: new Map(), sealedTo, untilMs, layersMost: 0, visits: 1 };
    this.#paths.set(idText(query.id), way, nowMs);
    return way;
  }

  /** The query went to `peer` with so many hops left: each on its way adds a layer to what comes back, of a private one. */
  #went(way: ReturnPath, peer: PeerId, hops: number): void {
    const { answersPerWayMax, hopsMax } = this.#options;
    way.to.set(peer, answersPerWayMax);
    if (way.sealedTo === null) return;
    const layers = hops - 1 + (hops === hopsMax ? layersSlack : 0);
    way.layersMost = Math.max(way.layersMost, layers);
  }

  #end(seek: Seek): void {
    this.#dueAtMs = null;
    for (const id of seek.ids) this.#seekOfId.delete(id);
    this.#seeks.delete(seek.topic.name);
  }

  #refuse(reason: JoinRefusal): never[] {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
    return [];
  }
}

const noNonce = new Uint8Array(0);

/** Hops that a query may make beyond those it began with, see {@link JoiningOptions}.hopsSpread: half as often each. */
const layersSlack = joinAnswerLimits.layersMax - messageLimits.joinHopsMax;

const pairKey = (from: PeerId, to: PeerId) => `${from}/${to}`;

/** Pairs of neighbours remembered for each neighbour. */
const pairsPerPeer = 4;

/** Friends among whom a sensitive query chooses its first hops. */
const friendsMax = 16;

function isWellFormed({ id, nonce, tag, replyKey, hint, ttl }: JoinQuery, shape: FilterShape): boolean {
  return (
    id.length === 16 &&
    nonce.length === 16 &&
    tag.length === 16 &&
    replyKey.length === 32 &&
    hint.length <= messageLimits.hintPositionsMax &&
    hint.every((position) => Number.isInteger(position) && position >= 0 && position < shape.bits) &&
    Number.isInteger(ttl) &&
    ttl >= 1 &&
    ttl <= messageLimits.joinHopsMax
  );
}

function idText(id: Uint8Array): string {
  return String.fromCharCode(...id);
}
