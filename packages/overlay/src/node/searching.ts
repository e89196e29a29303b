import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { JoinMode } from '../joining/join-hint.ts';
import { Joining, type JoiningDependencies, type JoinOutput } from '../joining/joining.ts';
import type { JoiningSurroundings } from '../joining/surroundings.ts';
import type { JoinedMessage, JoinMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import type { RingView } from '../rings/rings.ts';
import type { Topic } from '../topic.ts';
import { Outlets } from './outlets.ts';
import { Seeking, seekPeriods } from './seeking.ts';

interface Search {
  readonly topic: Topic;
  readonly isSensitive: boolean;
  readonly seeking: Seeking;
}

/** What searching needs of the node around it. */
export interface SearchingSurroundings extends Omit<JoiningSurroundings, 'subscriptions'> {
  ring(topic: Topic): RingView;
  /** Members of a topic of ours were named. */
  addCandidates(topic: Topic, descriptors: readonly Descriptor[], nowMs: number): void;
  isConnected(peer: PeerId): boolean;
}

/** Decides when members of which topic are looked for: of those that are read, and of those that are published to. */
export class Searching {
  readonly #around: SearchingSurroundings;
  readonly #random: Random;
  readonly #joining: Joining;
  readonly #outlets: Outlets;
  readonly #searches = new Map<string, Search>();
  /** When the first search is due; asked for after each input of a node, and null after one that may change it. */
  #searchDueAtMs: number | null = null;
  /** When the next search may begin that has to wait for its turn. */
  #paceAtMs = 0;

  constructor(around: SearchingSurroundings, dependencies: JoiningDependencies) {
    this.#around = around;
    this.#random = dependencies.random;
    this.#outlets = new Outlets(dependencies.random, around.isConnected);
    const subscriptions = () => this.#searches.values();
    this.#joining = new Joining({ ...around, subscriptions }, dependencies);
  }

  get dueAtMs(): number {
    this.#searchDueAtMs ??= this.#nextSearchDueAtMs();
    return Math.min(this.#searchDueAtMs, this.#joining.dueAtMs, this.#outlets.dueAtMs);
  }

  get refusals(): Joining['refusals'] {
    return this.#joining.refusals;
  }

  topics(): Topic[] {
    return [...this.#searches.values()].map(({ topic }) => topic);
  }

  isRead(topic: Topic): boolean {
    return this.#searches.has(topic.name);
  }

  /** A topic is read from now on. */
  read(topic: Topic, isSensitive: boolean, nowMs: number): NodeOutput[] {
    const search = { topic, isSensitive, seeking: new Seeking(nowMs, this.#random) };
    this.#searches.set(topic.name, search);
    this.#searchDueAtMs = null;
    this.#outlets.close(topic.name); // who reads sends along the ring
    return this.#seek(search, nowMs);
  }

  /** A topic is not read any longer. */
  leave(topic: Topic): void {
    this.#searches.delete(topic.name);
    this.#searchDueAtMs = null;
    this.#joining.stop(topic);
  }

  /** Whether a member of a topic is known that is published to only. */
  hasOutlet(topic: Topic): boolean {
    return this.#outlets.hasMembers(topic);
  }

  descriptorOf(peer: PeerId): Descriptor | undefined {
    return this.#outlets.descriptorOf(peer);
  }

  /** Hands an event of a topic that is not read to members of it, now or when some are found. */
  publish(topic: Topic, bytes: Uint8Array, nowMs: number): NodeOutput[] {
    return this.#outlets.publish(topic, bytes, nowMs);
  }

  /** Looks for members of a topic that is published to only. */
  lookFor(topic: Topic, isSensitive: boolean, nowMs: number): NodeOutput[] {
    if (this.isRead(topic)) return [];
    this.#outlets.open(topic, isSensitive, nowMs);
    return this.#outlets.hasMembers(topic) ? [] : this.#ask(topic, isSensitive, nowMs);
  }

  wake(nowMs: number): NodeOutput[] {
    const outputs = this.#joining.dueAtMs <= nowMs ? this.#done(this.#joining.wake(nowMs), nowMs) : [];
    if (this.#outlets.dueAtMs <= nowMs) this.#outlets.wake(nowMs);
    this.#searchDueAtMs = null;
    for (const search of this.#searches.values()) {
      if (search.seeking.dueAtMs > nowMs) continue;
      // A ring that grows by its own gossip needs nobody to be asked.
      if (search.seeking.grew(this.#around.ring(search.topic).memberCount, nowMs)) continue;
      outputs.push(...this.#seek(search, nowMs));
    }
    return outputs;
  }

  /** Somebody new is connected: topics without any known member may be found through it. */
  connected(nowMs: number): NodeOutput[] {
    const outputs: NodeOutput[] = [];
    for (const search of this.#searches.values()) {
      if (this.#around.ring(search.topic).memberCount > 0) continue;
      search.seeking.hurry(nowMs);
      this.#searchDueAtMs = null;
      if (search.seeking.dueAtMs <= nowMs) outputs.push(...this.#seek(search, nowMs));
    }
    return [...outputs, ...this.#askForWaiting(nowMs)];
  }

  /** A peer has left the topic of a route. False where that concerns no topic that is published to only. */
  left(peer: PeerId, route: Uint8Array, nowMs: number): NodeOutput[] | false {
    return this.#outlets.left(peer, route, nowMs) && this.#askForWaiting(nowMs);
  }

  /** A peer cannot be reached. */
  unreachable(peer: PeerId, nowMs: number): NodeOutput[] {
    return [...this.#done(this.#joining.unreachable(peer, nowMs), nowMs), ...this.gone(peer, nowMs)];
  }

  /** A peer is not connected any longer. */
  gone(peer: PeerId, nowMs: number): NodeOutput[] {
    this.#outlets.gone(peer);
    return this.#askForWaiting(nowMs);
  }

  #askForWaiting(nowMs: number): NodeOutput[] {
    return this.#outlets.waiting().flatMap(({ topic, isSensitive }) => this.#ask(topic, isSensitive, nowMs));
  }

  onJoin(from: PeerId, { query }: JoinMessage, nowMs: number): NodeOutput[] {
    return this.#done(this.#joining.onJoin(from, query, nowMs), nowMs);
  }

  onJoined(from: PeerId, message: JoinedMessage, nowMs: number): NodeOutput[] {
    return this.#done(this.#joining.onJoined(from, message, nowMs), nowMs);
  }

  #nextSearchDueAtMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { seeking } of this.#searches.values()) due = Math.min(due, seeking.dueAtMs);
    return due;
  }

  #seek({ topic, isSensitive, seeking }: Search, nowMs: number): NodeOutput[] {
    this.#searchDueAtMs = null;
    if (this.#mustWait(seeking, nowMs)) return [];
    seeking.began(this.#around.ring(topic).isComplete, nowMs);
    const outputs = this.#ask(topic, isSensitive, nowMs);
    seeking.asked(outputs.length > 0);
    return outputs;
  }

  /** Who reads many topics and has just begun knows neither who reads what nor many to ask: it does not ask for all at once. */
  #mustWait(seeking: Seeking, nowMs: number): boolean {
    const neighbours = this.#around.neighbours();
    if (seeking.isBooked || neighbours.length === 0) return false;
    const { burst } = seekPeriods;
    const isBlind = neighbours.every(({ filter }) => filter === undefined);
    const isAmongFew = neighbours.length <= seekPeriods.fewNeighboursMax;
    const paceMs = isAmongFew ? seekPeriods.fewPaceMs : isBlind ? seekPeriods.blindPaceMs : seekPeriods.paceMs;
    this.#paceAtMs = Math.max(this.#paceAtMs, nowMs - burst * paceMs) + paceMs;
    if (this.#paceAtMs <= nowMs) return false;
    seeking.book(this.#paceAtMs);
    return true;
  }

  #ask(topic: Topic, isSensitive: boolean, nowMs: number): NodeOutput[] {
    return this.#done(this.#joining.seek(topic, modeOf(topic, isSensitive), nowMs), nowMs);
  }

  #done(outputs: readonly JoinOutput[], nowMs: number): NodeOutput[] {
    const result: NodeOutput[] = [];
    for (const output of outputs) {
      if (output.kind === 'send') result.push(output);
      if (output.kind !== 'found') continue;
      const { topic } = output;
      // A client can be reached only by whom it is connected to; it comes by itself.
      const descriptors = output.descriptors.filter(
        ({ peer, addresses }) => addresses.length > 0 || this.#around.isConnected(peer),
      );
      if (this.isRead(topic)) this.#around.addCandidates(topic, descriptors, nowMs);
      else result.push(...this.#outlets.found(topic, descriptors));
    }
    return result;
  }
}

/** A topic without a secret is public: its searchers need not hide among decoys, and are found at once. */
function modeOf(topic: Topic, isSensitive: boolean): JoinMode {
  if (isSensitive) return 'sensitive';
  return topic.isPrivate ? 'decoys' : 'open';
}
