import { type Random, unreachable } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { Clustering } from '../clustering/clustering.ts';
import { descriptorMemory } from '../codec.ts';
import type { Descriptor } from '../descriptor.ts';
import { createEvent, type EventContent, readEventHead } from '../events/event.ts';
import type { InterestFilter } from '../interest/interest-filter.ts';
import { InterestKeeper } from '../interest/interest-keeper.ts';
import { joinAnswerLimits } from '../joining/join-answer.ts';
import { BridgeDuty } from '../lan/bridge-duty.ts';
import type { EventMessage, Message, NearMessage, Outgoing, PullMessage } from '../message.ts';
import type {
  DeliveredEvent,
  EventClass,
  NodeOutput,
  OverlayNodeDependencies,
  OverlayNodeOptions,
  Published,
  PublishOptions,
  SubscribeOptions,
} from '../overlay-node-types.ts';
import { Rings, type RingView } from '../rings/rings.ts';
import { PeerSampling } from '../sampling/peer-sampling.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Topic } from '../topic.ts';
import { TrustBook } from '../trust/trust-book.ts';
import type { Trust } from '../trust.ts';
import { AddressBook } from './address-book.ts';
import { Glance } from './glance.ts';
import { Guests } from './guests.ts';
import { OwnDescriptor } from './own-descriptor.ts';
import { Searching } from './searching.ts';
import { ShortAnswers } from './short-answers.ts';

/** What holds where {@link OverlayNodeOptions} says nothing. */
export const overlayNodeDefaults = { epsilon: 3, linksMax: 48, signaturePolicy: 'StrictSign' } as const;

/** Limits of one node; those of its parts stand with them. */
export const overlayNodeLimits = {
  /** Messages that are no events, from one peer, in a minute and at once. Events are paced by the driver's reading. */
  messagesPerMinute: 6_000,
  peersCountedMax: 512,
  /** Connected peers of unknown interest that a join query may go to. */
  connectedAskedMax: 64,
  /** Links that are left to gossip, so that the rings of many topics do not cut a node off from the rest. */
  gossipLinks: 4,
} as const;

/**
 * One peer of the overlay: sampling, clustering, joining and the rings as one machine. No input and output, no clock:
 * methods take what came in and `nowMs` (unix milliseconds) and return what to do, in order; {@link dueAtMs} says when
 * {@link wake} is wanted. Input is hostile: what is not in order is counted in {@link refusals} and otherwise ignored.
 */
export class OverlayNode {
  readonly self: PeerId;
  readonly #options: OverlayNodeOptions;
  readonly #random: Random;
  readonly #own: OwnDescriptor;
  readonly #interest: InterestKeeper;
  readonly #sampling: PeerSampling;
  readonly #clustering: Clustering;
  readonly #searching: Searching;
  readonly #rings: Rings;
  readonly #bridge: BridgeDuty | undefined;
  readonly #connections = new Set<PeerId>();
  readonly #rates = new TokenBuckets(overlayNodeLimits.messagesPerMinute, overlayNodeLimits.peersCountedMax);
  readonly #refusals = new Map<string, number>();
  readonly #addresses = new AddressBook();
  readonly #guests = new Guests();
  readonly #shortAnswers = new ShortAnswers();
  // Asked for with every hop of every query, and put together from many parts: as they were some moments ago will do.
  readonly #ringNeighbours = new Glance(() => this.#rings.neighbours());
  readonly #askable = new Glance(() => this.#findAskable());
  #sequenceNumber = 0n;

  constructor(options: OverlayNodeOptions, dependencies: OverlayNodeDependencies) {
    const { signaturePolicy = overlayNodeDefaults.signaturePolicy, epsilon = overlayNodeDefaults.epsilon } = options;
    const { random, trust = new TrustBook() } = dependencies;
    this.#options = { ...options, signaturePolicy };
    this.#random = random;
    const { deviceSecret, interestState, mustValidate } = options;
    this.#interest = new InterestKeeper({
      secret: deviceSecret,
      epsilon,
      ...(interestState === undefined ? {} : { state: interestState }),
    });
    this.#own = new OwnDescriptor(options, random);
    this.self = this.#own.descriptor.peer;
    this.#sampling = new PeerSampling({ self: this.#own.descriptor }, { random, trust });
    this.#clustering = this.#createClustering(random, trust);
    this.#searching = this.#createSearching(dependencies, trust);
    const carry = { offers: options.carry === true, asks: options.carry === true };
    this.#rings = new Rings(
      { signaturePolicy, carry },
      {
        random,
        self: () => this.#own.descriptor,
        connections: this.#connections,
        ...(mustValidate === undefined ? {} : { mustValidate }),
      },
    );
    const { links } = dependencies;
    const members = (topic: Topic) => this.#rings.members(topic).filter((peer) => this.#connections.has(peer));
    this.#bridge = links && new BridgeDuty(this.self, { links, random, members });
  }

  /** What this node says of itself at present. */
  get descriptor(): Descriptor {
    return this.#own.descriptor;
  }

  /** The random view. */
  get view(): readonly Descriptor[] {
    return this.#sampling.view;
  }

  /** The peers of like interests, the most alike first. */
  get near(): readonly Descriptor[] {
    return this.#clustering.near;
  }

  get topics(): readonly Topic[] {
    return this.#searching.topics();
  }

  /** What passed along the rings, since the start. */
  get counts(): Rings['counts'] {
    return this.#rings.counts;
  }

  /** How often input was left alone, by part and reason, since the start. */
  get refusals(): ReadonlyMap<string, number> {
    const all = new Map(this.#refusals);
    const add = (part: string, counts: Iterable<readonly [string, number | undefined]>) => {
      for (const [reason, count = 0] of counts) all.set(`${part}-${reason}`, count);
    };
    add('sampling', Object.entries(this.#sampling.refusals));
    add('clustering', this.#clustering.refusals);
    add('joining', this.#searching.refusals);
    add('rings', this.#rings.refusals);
    return all;
  }

  /** When {@link wake} wants to be called, unix milliseconds; calling it earlier does no harm. */
  get dueAtMs(): number {
    return Math.min(
      this.#own.dueAtMs,
      this.#interest.dueAtMs,
      this.#sampling.dueAtMs,
      this.#clustering.dueAtMs,
      this.#searching.dueAtMs,
      this.#rings.dueAtMs,
      this.#bridge?.dueAtMs ?? Number.POSITIVE_INFINITY,
    );
  }

  /** The ring of a topic as it stands. */
  ring(topic: Topic): RingView {
    return this.#rings.view(topic);
  }

  /** What must outlive a restart, see {@link OverlayNodeOptions}.interestState. */
  interestState(): Uint8Array {
    return this.#interest.state();
  }

  /** Begins, with `seeds` or with whoever connects. */
  start(seeds: readonly Descriptor[], nowMs: number): NodeOutput[] {
    const filter = this.#interest.shown(nowMs); // there is one at once after a restart
    this.#own.renew(filter === undefined ? {} : { filter }, nowMs);
    this.#sampling.renew(this.#own.descriptor);
    this.#sequenceNumber = BigInt(Math.floor(nowMs)) << 20n; // later starts count on from higher numbers
    return this.#sends(this.#sampling.start(seeds, nowMs));
  }

  /** A message that `from`, whose identity the connection proved, sent. */
  receive(from: PeerId, received: Message, nowMs: number): NodeOutput[] {
    if (from === this.self) return this.#refuse('own');
    if (received.kind !== 'event' && !this.#rates.take(from, nowMs)) return this.#refuse('too-often');
    this.#age(nowMs);
    const isAnswer = received.kind === 'view' || received.kind === 'nearby';
    const message = isAnswer ? this.#shortAnswers.read(from, received) : received;
    this.#addresses.read(from, message, nowMs);
    switch (message.kind) {
      case 'pull':
        return this.#sends(this.#sampling.onPull(from, message, nowMs), message);
      case 'view':
        return this.#sends(this.#sampling.onView(from, message, nowMs));
      case 'probe':
        return this.#sends(this.#sampling.onProbe(from, message, nowMs));
      case 'near':
        return this.#sends(this.#clustering.onNear(from, message, nowMs), message);
      case 'nearby':
        return this.#sends(this.#clustering.onNearby(from, message, nowMs));
      case 'ask-filters':
        return this.#sends(this.#clustering.onAskFilters(from, message, nowMs));
      case 'filters':
        return this.#sends(this.#clustering.onFilters(from, message, nowMs));
      case 'join':
        return this.#searching.onJoin(from, message, nowMs);
      case 'joined':
        return this.#searching.onJoined(from, message, nowMs);
      case 'ring':
        return (
          (message.isLeaving && this.#searching.left(from, message.route, nowMs)) ||
          this.#rings.onRing(from, message, nowMs)
        );
      case 'event':
        this.#noteGuest(from, message, nowMs);
        return this.#onEvent(from, message, nowMs);
      case 'have':
        return this.#rings.onHave(from, message, nowMs);
      case 'want':
        return this.#rings.onWant(from, message, nowMs);
      case 'carry':
        return this.#rings.onCarry(from, message, nowMs);
      default:
        return unreachable(message);
    }
  }

  /** Does what is due. */
  wake(nowMs: number): NodeOutput[] {
    const outputs: NodeOutput[] = [];
    this.#age(nowMs);
    this.#renewDescriptor(nowMs);
    if (this.#sampling.dueAtMs <= nowMs) outputs.push(...this.#sends(this.#sampling.wake(nowMs)));
    if (this.#clustering.dueAtMs <= nowMs) outputs.push(...this.#sends(this.#clustering.wake(nowMs)));
    if (this.#rings.dueAtMs <= nowMs) outputs.push(...this.#rings.wake(nowMs));
    if (this.#searching.dueAtMs <= nowMs) outputs.push(...this.#searching.wake(nowMs));
    if (this.#bridge !== undefined) outputs.push(...this.#bridge.wake(nowMs));
    return outputs;
  }

  /**
   * There is a connection to `peer`, which speaks the protocol. `isSeed` where we opened it, but not because the overlay asked for
   * it: whom the application, or a list of peers to begin with, names was not named by liars.
   */
  connected(peer: PeerId, nowMs: number, isSeed = false): NodeOutput[] {
    this.#connections.add(peer);
    // A newcomer counts at once where there are few to ask; elsewhere in a moment.
    this.#age(nowMs, this.#connections.size < overlayNodeLimits.connectedAskedMax / 4);
    this.#rings.connected(peer, nowMs);
    return [...this.#sends(this.#sampling.connected(peer, nowMs, isSeed)), ...this.#searching.connected(nowMs)];
  }

  /** `peer`, just connected, is on the same local network: of all there the most alike are wanted (spec overlay §11). */
  greet(peer: PeerId, nowMs: number): NodeOutput[] {
    return this.#sends(this.#clustering.greet(peer, nowMs));
  }

  /** The last connection to `peer` is gone: one end let it go for want of room (`closed`), or nobody knows why (`lost`). */
  disconnected(peer: PeerId, nowMs: number, why: 'closed' | 'lost' = 'lost'): NodeOutput[] {
    this.#connections.delete(peer);
    this.#sampling.disconnected(peer);
    this.#rings.disconnected(peer, nowMs, why);
    return this.#searching.gone(peer, nowMs);
  }

  /** `peer` cannot be connected to. */
  unreachable(peer: PeerId, nowMs: number): NodeOutput[] {
    this.#sampling.unreachable(peer, nowMs);
    this.#clustering.unreachable(peer, nowMs);
    return [...this.#searching.unreachable(peer, nowMs), ...this.#rings.unreachable(peer, nowMs)];
  }

  /** Takes part in a topic, and looks for its other members. Nothing where that is so already, or for too many topics. */
  subscribe(topic: Topic, options: SubscribeOptions, nowMs: number): NodeOutput[] {
    const { sensitive: isSensitive = false } = options;
    if (!this.#rings.join(topic, nowMs)) return [];
    if (!isSensitive) this.#interest.add(topic, nowMs);
    return this.#searching.read(topic, isSensitive, nowMs);
  }

  /** Leaves a topic, and says so to its members. */
  unsubscribe(topic: Topic, nowMs: number): NodeOutput[] {
    if (!this.#searching.isRead(topic)) return [];
    this.#searching.leave(topic);
    this.#interest.remove(topic, nowMs);
    const farewells = this.#guests.farewells(topic, this.#own.descriptor, nowMs);
    return [...this.#rings.leave(topic, nowMs), ...farewells.filter((output) => this.#isToConnected(output))];
  }

  /**
   * Publishes to a topic, be it one of ours or not. Who is not known yet gets it when found within some seconds.
   * @throws {EventTooLargeError}
   */
  publish(topic: Topic, data: Uint8Array, options: PublishOptions, nowMs: number): Published {
    const content = this.#content(data, options.class);
    const published = this.#rings.publish(topic, content, nowMs);
    if (published !== null) {
      const outputs = [...published.outputs, ...(this.#bridge?.published(topic, published, nowMs) ?? [])];
      return { ...published, outputs, recipients: recipientsOf(outputs) };
    }
    const bytes = createEvent(topic, content, nowMs, this.#random);
    const search = this.lookFor(topic, options, nowMs);
    const outputs = this.#searching.publish(topic, bytes, nowMs);
    const id = readEventHead(bytes)?.id ?? bytes.subarray(0, 0); // made here: there is a head
    return { id, bytes, recipients: recipientsOf(outputs), outputs: [...outputs, ...search] };
  }

  /** Looks for members of a topic that is about to be published to. */
  lookFor(topic: Topic, options: SubscribeOptions, nowMs: number): NodeOutput[] {
    return this.#searching.lookFor(topic, options.sensitive === true, nowMs);
  }

  /** An event that `mustValidate` made wait has been looked at: accepted, it goes on. */
  validated(event: DeliveredEvent, isAccepted: boolean, nowMs: number): NodeOutput[] {
    const outputs = this.#rings.validated(event.topic, event.id, isAccepted, nowMs);
    return isAccepted && this.#bridge !== undefined
      ? [...outputs, ...this.#bridge.accepted(event, outputs, nowMs)]
      : outputs;
  }

  /** Peers that proved to read a topic of ours. */
  subscribersOf(topic: Topic): PeerId[] {
    return this.#rings.members(topic);
  }

  /** Whether an event for the topic would go to anybody now. */
  knowsSubscribers(topic: Topic): boolean {
    return this.#rings.view(topic).memberCount > 0 || this.#searching.hasOutlet(topic);
  }

  /** Whom to stay connected to, the most wanted first; some links are left for gossip. */
  wantedLinks(): PeerId[] {
    const { linksMax = overlayNodeDefaults.linksMax } = this.#options;
    return this.#rings.wantedPeers().slice(0, Math.max(1, linksMax - overlayNodeLimits.gossipLinks));
  }

  /** Multiaddrs under which `peer` can be dialled, as far as its descriptor is known here. */
  addressesOf(peer: PeerId): readonly string[] {
    return this.#descriptorOf(peer)?.addresses ?? [];
  }

  /** The node can be dialled elsewhere from now on. */
  setAddresses(addresses: readonly string[], nowMs: number): NodeOutput[] {
    this.#own.renew({ addresses }, nowMs);
    this.#sampling.renew(this.#own.descriptor);
    return [];
  }

  #onEvent(from: PeerId, message: EventMessage, nowMs: number): NodeOutput[] {
    const outputs = this.#rings.onEvent(from, message, nowMs);
    if (this.#bridge === undefined) return outputs;
    const isHeld = outputs.some((one) => one.kind === 'deliver' && this.#options.mustValidate?.(one.event.topic));
    return [...outputs, ...this.#bridge.received(from, message, outputs, isHeld, nowMs)];
  }

  #descriptorOf(peer: PeerId): Descriptor | undefined {
    const known =
      this.#sampling.descriptorOf(peer) ?? this.#rings.descriptorOf(peer) ?? this.#searching.descriptorOf(peer);
    return (
      known ?? this.#addresses.get(peer) ?? this.#clustering.neighbours().find((one) => one.peer === peer)?.descriptor
    );
  }

  /** Whoever hands over an event first made it itself. */
  #noteGuest(from: PeerId, { bytes, hops }: EventMessage, nowMs: number): void {
    const head = hops === 0 ? readEventHead(bytes) : null;
    if (head !== null && this.#rings.isGuest(from, head.routeKey)) this.#guests.heard(head.routeKey, from, nowMs);
  }

  #isToConnected(output: NodeOutput): boolean {
    return output.kind === 'send' && this.#connections.has(output.to);
  }

  #age(nowMs: number, isChanged = false): void {
    this.#ringNeighbours.age(nowMs, isChanged);
    this.#askable.age(nowMs, isChanged);
  }

  #content(data: Uint8Array, eventClass: EventClass): EventContent {
    if (this.#options.signaturePolicy === 'StrictNoSign') return { data, class: eventClass };
    this.#sequenceNumber += 1n;
    const author = { signer: this.#options.signer, sequenceNumber: this.#sequenceNumber };
    return { data, class: eventClass, author };
  }

  #renewDescriptor(nowMs: number): void {
    const isFilterDue = this.#interest.dueAtMs <= nowMs;
    if (!isFilterDue && this.#own.dueAtMs > nowMs) return;
    const filter = this.#interest.shown(nowMs);
    if (this.#own.dueAtMs > nowMs && filter === this.#own.filter) return;
    this.#own.renew(filter === undefined ? {} : { filter }, nowMs);
    this.#sampling.renew(this.#own.descriptor);
  }

  #createClustering(random: Random, trust: Trust): Clustering {
    return new Clustering(
      {
        self: () => this.#own.descriptor,
        shownFilter: () => this.#own.filter,
        exactInterest: (epoch) => this.#interest.exact(epoch, (topic) => !this.#rings.view(topic).isComplete),
        sampled: () => this.#sampling.view,
        ringNeighbours: () => this.#ringNeighbours.value,
        isConnected: (peer) => this.#connections.has(peer),
      },
      { random, trust },
    );
  }

  #createSearching(dependencies: OverlayNodeDependencies, trust: Trust): Searching {
    const { random, decode = (bytes: Uint8Array) => descriptorMemory.decode(bytes), seals } = dependencies;
    return new Searching(
      {
        self: () => this.#own.descriptor,
        neighbours: () => this.#askable.value,
        members: (topic) => this.#rings.membersToTell(topic, joinAnswerLimits.descriptorsMax - 1),
        friends: () => trust.friends(),
        ring: (topic) => this.#rings.view(topic),
        addCandidates: (topic, descriptors, nowMs) => {
          for (const descriptor of descriptors) this.#addresses.add(descriptor);
          this.#rings.addCandidates(topic, descriptors, nowMs);
        },
        isConnected: (peer) => this.#connections.has(peer),
      },
      { random, decode, ...(seals === undefined ? {} : { seals }) },
    );
  }

  /** Whom a join query may go to: neighbours of any kind, and who is just connected. */
  #findAskable(): { readonly peer: PeerId; readonly filter: InterestFilter | undefined }[] {
    const known: { readonly peer: PeerId; readonly filter: InterestFilter | undefined }[] =
      this.#clustering.neighbours();
    const peers = new Set(known.map(({ peer }) => peer));
    let left: number = overlayNodeLimits.connectedAskedMax;
    for (const peer of this.#connections) {
      if (left === 0) break;
      if (peers.has(peer)) continue;
      known.push({ peer, filter: undefined });
      left -= 1;
    }
    return known;
  }

  /** What is sent, shortened where the other end has it; `question` is what it answers, if anything. */
  #sends(outgoing: readonly Outgoing[], question?: PullMessage | NearMessage): NodeOutput[] {
    return outgoing.map(({ to, message }) => {
      const isQuestion = message.kind === 'pull' || message.kind === 'near';
      if (isQuestion) return { kind: 'send', to, message: this.#shortAnswers.ask(to, message) };
      const isAnswer = message.kind === 'view' || message.kind === 'nearby';
      if (isAnswer && question !== undefined) {
        return { kind: 'send', to, message: this.#shortAnswers.answer(question, message) };
      }
      return { kind: 'send', to, message };
    });
  }

  #refuse(kind: string): NodeOutput[] {
    this.#refusals.set(kind, (this.#refusals.get(kind) ?? 0) + 1);
    return [];
  }
}

function recipientsOf(outputs: readonly NodeOutput[]): PeerId[] {
  return [...new Set(outputs.flatMap((output) => (output.kind === 'send' ? [output.to] : [])))];
}
