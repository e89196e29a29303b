import { assert, type Random } from '@pulsemesh/base';
import type { Descriptor, Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import { type Conditions, fairConditions, Partitions } from './conditions.ts';
import { EventHeap } from './event-heap.ts';
import type { Latency } from './latency.ts';
import type { Link } from './link.ts';
import { type LinkOptions, Links, linkDefaults } from './links.ts';
import type { Observer, SimulatedNode } from './node.ts';
import type { Place } from './place.ts';
import { TraceHash } from './trace-hash.ts';

/** What a world is made of; times in milliseconds. */
export interface WorldOptions {
  /** Unix milliseconds at the beginning. Noon, so that short runs see no change of epoch. */
  readonly startMs?: number;
  readonly latency: Latency;
  /** Connections a place holds at most, where {@link NewPlace} does not say. */
  readonly linksMax: number;
  readonly links?: Partial<LinkOptions>;
  /** How often a place looks after its connections. */
  readonly tendEveryMs?: number;
}

/** A machine to be added. */
export interface NewPlace {
  readonly peer: PeerId;
  readonly node: SimulatedNode;
  readonly isByzantine?: boolean;
  readonly isDialable?: boolean;
  /** Whole milliseconds. */
  readonly skewMs?: number;
  readonly group?: number;
  readonly linksMax?: number;
}

/** What a world counted. */
export interface WorldCounts {
  events: number;
  sent: number;
  received: number;
  lost: number;
  /** Messages to peers that never were: addresses from forged or foreign descriptors. */
  toNobody: number;
  /** Messages whose connection was closed while they were on their way. */
  cutOff: number;
}

/** Noon of a day. */
export const worldStartMs = Date.UTC(2026, 0, 1, 12);

interface Arrival {
  readonly link: Link;
  readonly to: number;
  readonly message: Message;
}

interface Wake {
  readonly place: Place;
  readonly atMs: number;
}

type Happening = Arrival | Wake | (() => void);

/**
 * A whole network in one process: nodes at places, connections between them, messages on their way, all driven by one
 * heap of events. The same options, seed and calls give the same run, event by event, see {@link World.traceHash}.
 */
export class World {
  readonly places: Place[] = [];
  readonly partitions = new Partitions();
  readonly counts: WorldCounts = { events: 0, sent: 0, received: 0, lost: 0, toNobody: 0, cutOff: 0 };
  readonly links: Links;
  /** Unix milliseconds at the beginning. */
  readonly startMs: number;
  conditions: Conditions = fairConditions;
  readonly #latency: Latency;
  readonly #linksMax: number;
  readonly #keepAliveMs: number;
  readonly #tendEveryMs: number;
  readonly #random: Random;
  readonly #observers: Observer[] = [];
  readonly #heap = new EventHeap<Happening>();
  readonly #indexes = new Map<PeerId, number>();
  readonly #trace = new TraceHash();
  #nowMs = 0;

  constructor(options: WorldOptions, dependencies: { readonly random: Random }) {
    this.startMs = options.startMs ?? worldStartMs;
    this.#latency = options.latency;
    this.#linksMax = options.linksMax;
    this.#tendEveryMs = options.tendEveryMs ?? 5_000;
    this.#random = dependencies.random;
    const linkOptions = { ...linkDefaults, ...options.links };
    this.#keepAliveMs = linkOptions.keepAliveMs;
    this.links = new Links(linkOptions, this.#linkWorld());
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The same for the same run. */
  get traceHash(): string {
    return this.#trace.toString();
  }

  observe(observer: Observer): void {
    this.#observers.push(observer);
  }

  /** What a place's own clock says, unix milliseconds. */
  clockOf(place: Place): number {
    return Math.floor(this.startMs + this.#nowMs) + place.skewMs;
  }

  indexOf(peer: PeerId): number | undefined {
    return this.#indexes.get(peer);
  }

  /** Adds a machine that is down; {@link start} starts it. */
  add(made: NewPlace): Place {
    assert(!this.#indexes.has(made.peer), 'each peer is at one place');
    const place: Place = {
      index: this.places.length,
      peer: made.peer,
      node: made.node,
      isUp: false,
      answersDials: true,
      isDialable: made.isDialable ?? true,
      isByzantine: made.isByzantine ?? false,
      skewMs: made.skewMs ?? 0,
      group: made.group ?? 0,
      life: 0,
      linksMax: made.linksMax ?? this.#linksMax,
      links: new Map(),
      dials: new Map(),
      parked: new Map(),
      wakeAtMs: Number.POSITIVE_INFINITY,
      wanted: new Set(),
      wantedUntilMs: 0,
      fullUntilMs: 0,
      holds: new Map(),
    };
    this.places.push(place);
    this.#indexes.set(place.peer, place.index);
    return place;
  }

  /** Starts the node at a place, or another one: what a machine does when it comes up. */
  start(place: Place, seeds: readonly Descriptor[], node: SimulatedNode = place.node): void {
    assert(!place.isUp, 'a machine comes up once');
    place.node = node;
    place.isUp = true;
    place.wantedUntilMs = 0;
    this.#trace.add(this.#nowMs, -1 - place.index);
    for (const observer of this.#observers) observer.cameUp?.(place.index, this.#nowMs);
    this.#settle(place, node.start(seeds, this.clockOf(place)));
    this.#tendLater(place, this.#random.float() * this.#tendEveryMs);
  }

  /**
   * A machine goes down. `killed`: the process dies and its connections with it, and later dials are refused at once;
   * `vanished`: nobody hears anything any more, and dials and connections time out.
   */
  stop(place: Place, how: 'killed' | 'vanished'): void {
    if (!place.isUp) return;
    place.isUp = false;
    place.life += 1;
    place.answersDials = how === 'killed';
    place.wakeAtMs = Number.POSITIVE_INFINITY;
    this.#trace.add(this.#nowMs, -100_000_000 - place.index);
    this.links.cut(place, how === 'killed' ? undefined : this.#keepAliveMs);
    for (const observer of this.#observers) observer.wentDown?.(place.index, this.#nowMs);
  }

  /** Lets a node do something of its own accord: subscribe, publish. Nothing happens at a place that is down. */
  act(place: Place, action: (nowMs: number) => readonly NodeOutput[]): void {
    if (place.isUp) this.#settle(place, action(this.clockOf(place)));
  }

  /** Calls `action` when the time has come, which is not before now. */
  at(atMs: number, action: () => void): void {
    this.#heap.push(Math.max(atMs, this.#nowMs), action);
  }

  /** Nothing goes from one group of places to the other from now on; open connections are noticed to be silent later. */
  partition(fromGroup: number, toGroup: number): void {
    this.partitions.block(fromGroup, toGroup);
    this.at(this.#nowMs + this.#keepAliveMs, () => this.links.closeBlocked());
  }

  /** Runs everything that happens until then. */
  runUntil(untilMs: number, onProgress?: (nowMs: number) => void): void {
    let steps = 0;
    while (this.#heap.nextAtMs <= untilMs) {
      this.#nowMs = this.#heap.nextAtMs;
      this.#happen(this.#heap.pop() as Happening); // the heap is not empty: its next time is finite
      steps += 1;
      if ((steps & 0xfff) === 0) onProgress?.(this.#nowMs);
    }
    this.counts.events += steps;
    this.#nowMs = untilMs;
  }

  #happen(happening: Happening): void {
    if (typeof happening === 'function') happening();
    else if ('message' in happening) this.#arrive(happening);
    else this.#wake(happening);
  }

  #arrive({ link, to, message }: Arrival): void {
    const place = this.places[to] as Place; // links join places
    if (!link.isOpen || !place.isUp) {
      this.counts.cutOff += 1;
      return;
    }
    const from = this.places[link.otherEnd(to)] as Place; // the same
    this.counts.received += 1;
    this.#trace.add(this.#nowMs, from.index * 65_536 + to + message.kind.length);
    for (const observer of this.#observers) observer.received?.(from.index, to, message, this.#nowMs);
    this.#settle(place, place.node.receive(from.peer, message, this.clockOf(place)));
  }

  #wake({ place, atMs }: Wake): void {
    if (place.wakeAtMs !== atMs) return; // another one was set
    place.wakeAtMs = Number.POSITIVE_INFINITY;
    this.#settle(place, place.node.wake(this.clockOf(place)), 1);
  }

  /** Does what a node asked for, and sets when it is woken again, not before `restMs` have passed. */
  #settle(place: Place, outputs: readonly NodeOutput[], restMs = 0): void {
    for (const output of outputs) this.#perform(place, output);
    const dueMs = Math.ceil(place.node.dueAtMs) - place.skewMs - this.startMs;
    const atMs = Math.max(dueMs, this.#nowMs + restMs);
    if (!place.isUp || !(atMs < place.wakeAtMs)) return;
    place.wakeAtMs = atMs;
    this.#heap.push(atMs, { place, atMs });
  }

  #perform(place: Place, output: NodeOutput): void {
    if (output.kind === 'send') {
      const to = this.#indexes.get(output.to);
      if (to === undefined) this.#nobody(place, output.to);
      else if (to !== place.index) this.links.send(place, this.places[to] as Place, output.message); // an index of ours
    } else if (output.kind === 'deliver') {
      this.#trace.add(this.#nowMs, 0x40000000 + place.index);
      for (const observer of this.#observers) observer.delivered?.(place.index, output.event, this.#nowMs);
    }
  }

  /** A dial to an address where nobody ever was. */
  #nobody(place: Place, peer: PeerId): void {
    this.counts.toNobody += 1;
    const { life } = place;
    this.at(this.#nowMs + linkDefaults.dialTimeoutMs, () => {
      if (place.life === life) this.#call(place, () => place.node.unreachable(peer, this.clockOf(place)));
    });
  }

  #call(place: Place, call: () => readonly NodeOutput[]): void {
    if (place.isUp) this.#settle(place, call());
  }

  #tendLater(place: Place, afterMs: number): void {
    const { life } = place;
    this.at(this.#nowMs + afterMs, () => {
      if (!place.isUp || place.life !== life) return;
      this.links.tend(place);
      this.#tendLater(place, this.#tendEveryMs);
    });
  }

  #transmit(link: Link, from: Place, to: Place, message: Message): void {
    this.counts.sent += 1;
    const { lossRate, duplicationRate, reorderingRate, reorderingMsMax } = this.conditions;
    const isLost = lossRate > 0 && this.#random.float() < lossRate;
    if (isLost || this.partitions.isBlocked(from.group, to.group)) {
      this.counts.lost += 1;
      return;
    }
    const copies = duplicationRate > 0 && this.#random.float() < duplicationRate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const soonestMs = this.#nowMs + this.#latency.drawMs(from.index, to.index);
      const isHeldBack = reorderingRate > 0 && this.#random.float() < reorderingRate;
      const atMs = isHeldBack ? soonestMs + this.#random.float() * reorderingMsMax : link.inOrder(to.index, soonestMs);
      this.#heap.push(atMs, { link, to: to.index, message });
    }
  }

  #linked(place: Place): void {
    for (const observer of this.#observers) observer.linked?.(place.index, place.links.size, this.#nowMs);
  }

  /** The world as its links see it. */
  #linkWorld(): ConstructorParameters<typeof Links>[1] {
    const world = this;
    return {
      places: this.places,
      get nowMs() {
        return world.#nowMs;
      },
      latencyMs: (from, to) => this.#latency.drawMs(from, to),
      isBlocked: (from, to) => this.partitions.isBlocked(from.group, to.group),
      indexOf: (peer) => this.#indexes.get(peer),
      after: (delayMs, action) => this.at(this.#nowMs + delayMs, action),
      opened: (one, other) => {
        this.#linked(one);
        this.#linked(other);
        this.#call(one, () => one.node.connected(other.peer, this.clockOf(one)));
        this.#call(other, () => other.node.connected(one.peer, this.clockOf(other)));
      },
      // Later, since a connection may be closed while a node's wishes are being carried out.
      closed: (place, other, why) => this.at(this.#nowMs, () => this.#disconnected(place, other, why)),
      unreachable: (place, other) => this.#call(place, () => place.node.unreachable(other.peer, this.clockOf(place))),
      transmit: (link, from, to, message) => this.#transmit(link, from, to, message),
    };
  }

  #disconnected(place: Place, other: Place, why: 'closed' | 'lost'): void {
    this.#linked(place);
    if (!place.links.has(other.index)) {
      this.#call(place, () => place.node.disconnected(other.peer, this.clockOf(place), why));
    }
  }
}
