import type { Message } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import { Link } from './link.ts';
import type { Dial, Place } from './place.ts';

/** How connections are made and kept. */
export interface LinkOptions {
  /** Of a place's budget, so many are not held by those it wants kept, whatever it says: a newcomer always finds one. */
  readonly reserve: number;
  /** A younger connection is not closed to make room for another. */
  readonly youngMs: number;
  /** A connection nobody has used for so long is closed by the end that does not want it. */
  readonly idleMsMax: number;
  /** Messages that wait for one dial; more are dropped. */
  readonly dialQueueMax: number;
  /** Dials of one place that wait for room among its connections; more are refused. */
  readonly parkedMax: number;
  /** Such a dial is tried again so often, and given up after so many times. */
  readonly parkedEveryMs: number;
  readonly parkedTriesMax: number;
  /** A dial takes this much work besides its round trips, milliseconds. */
  readonly dialCostMs: number;
  /** TCP, TLS 1.3 and the choice of protocols. */
  readonly dialRoundTrips: number;
  /** A dial to where nobody answers is given up after. */
  readonly dialTimeoutMs: number;
  /** A connection over which nothing comes through is noticed after. */
  readonly keepAliveMs: number;
  /** A dial that was refused for want of room, and for which messages wait, is made again after this, doubling, so often. */
  readonly refusedWaitMs: number;
  readonly refusedTriesMax: number;
  /** Whoever had no room is not asked again only because it is wanted for so long, doubling up to the most. */
  readonly holdMs: number;
  readonly holdMsMax: number;
  /** So many are remembered at one place. */
  readonly holdsMax: number;
  /** What a node wants kept is asked for at most so often. */
  readonly wantedEveryMs: number;
}

/** Defaults of {@link LinkOptions}; a dial costs what native TLS costs. */
export const linkDefaults: LinkOptions = {
  reserve: 1,
  youngMs: 500,
  idleMsMax: 60_000,
  dialQueueMax: 64,
  parkedMax: 64,
  parkedEveryMs: 100,
  parkedTriesMax: 20,
  dialCostMs: 2,
  dialRoundTrips: 3,
  dialTimeoutMs: 5_000,
  keepAliveMs: 20_000,
  refusedWaitMs: 500,
  refusedTriesMax: 3,
  holdMs: 10_000,
  holdMsMax: 300_000,
  holdsMax: 512,
  wantedEveryMs: 2_000,
};

/** What happened to dials and connections. */
export interface LinkCounts {
  dials: number;
  /** The other end had no room. */
  refused: number;
  /** This end had none, and none came free in time. */
  givenUp: number;
  unanswered: number;
  closedForRoom: number;
  closedIdle: number;
  /** Messages that waited for a dial which failed or had too many waiting already. */
  dropped: number;
}

/** What links need from the world around them. */
export interface LinkWorld {
  readonly nowMs: number;
  readonly places: readonly Place[];
  latencyMs(from: number, to: number): number;
  isBlocked(from: Place, to: Place): boolean;
  indexOf(peer: PeerId): number | undefined;
  /** Calls `action` after `delayMs`. */
  after(delayMs: number, action: () => void): void;
  /** Both ends have a connection from now on. */
  opened(one: Place, other: Place): void;
  /** An end learns that its connection is gone. */
  closed(place: Place, other: Place, why: 'closed' | 'lost'): void;
  unreachable(place: Place, other: Place): void;
  transmit(link: Link, from: Place, to: Place, message: Message): void;
}

/** Makes, keeps and closes the connections of all places, none of which ever holds more than its `linksMax`. */
export class Links {
  readonly counts: LinkCounts = {
    dials: 0,
    refused: 0,
    givenUp: 0,
    unanswered: 0,
    closedForRoom: 0,
    closedIdle: 0,
    dropped: 0,
  };
  readonly #world: LinkWorld;
  readonly #options: LinkOptions;

  constructor(options: LinkOptions, world: LinkWorld) {
    this.#options = options;
    this.#world = world;
  }

  /** Sends over the connection there is, or over one made for it. */
  send(from: Place, to: Place, message: Message): void {
    const link = from.links.get(to.index);
    if (link !== undefined) {
      link.usedMs = this.#world.nowMs;
      this.#world.transmit(link, from, to, message);
      return;
    }
    const dial = from.dials.get(to.index) ?? from.parked.get(to.index) ?? this.#dial(from, to);
    if (dial === undefined || dial.waiting.length >= this.#options.dialQueueMax) this.counts.dropped += 1;
    else dial.waiting.push(message);
  }

  /** Connects a place to those it wants kept, and lets go what neither needs nor uses. */
  tend(place: Place): void {
    const { places, nowMs } = this.#world;
    const wanted = this.#wanted(place);
    for (const index of wanted) {
      const other = places[index] as Place; // wanted holds numbers of places
      const isThere = place.links.has(index) || place.dials.has(index) || place.parked.has(index);
      const isHeld = (place.holds.get(index)?.untilMs ?? 0) > nowMs;
      if (!isThere && !isHeld && other !== place) this.#dial(place, other);
    }
    for (const [index, link] of place.links) {
      if (nowMs - link.usedMs < this.#options.idleMsMax || wanted.has(index)) continue;
      this.counts.closedIdle += 1;
      this.close(link, place);
    }
  }

  /** Closes a connection; `closer` knows at once, the other end when word of it has come. */
  close(link: Link, closer: Place): void {
    const other = this.#world.places[link.otherEnd(closer.index)] as Place; // links join places
    this.#forget(link);
    if (this.#world.nowMs - link.openedMs > this.#options.holdMsMax) other.holds.delete(closer.index);
    this.#hold(other, closer);
    this.#world.closed(closer, other, 'closed');
    const delayMs = this.#world.latencyMs(closer.index, other.index);
    this.#world.after(delayMs, () => this.#tellClosed(other, closer, 'closed'));
  }

  /**
   * All connections of a place are gone; the other ends notice after `noticedAfterMs`, or one latency. Until then they hold them,
   * and what they send over them is lost.
   */
  cut(place: Place, noticedAfterMs?: number): void {
    for (const link of [...place.links.values()]) {
      const other = this.#world.places[link.otherEnd(place.index)] as Place; // links join places
      link.isOpen = false;
      place.links.delete(other.index);
      const delayMs = noticedAfterMs ?? this.#world.latencyMs(place.index, other.index);
      this.#world.after(delayMs, () => {
        if (other.links.get(place.index) === link) this.#forget(link);
        this.#tellClosed(other, place, 'lost');
      });
    }
    place.dials.clear();
    place.parked.clear();
    place.holds.clear();
  }

  /** Closes, for both ends, every connection that a partition has silenced. */
  closeBlocked(): void {
    for (const place of this.#world.places) {
      for (const link of [...place.links.values()]) {
        const other = this.#world.places[link.otherEnd(place.index)] as Place; // links join places
        if (!this.#world.isBlocked(place, other) && !this.#world.isBlocked(other, place)) continue;
        this.#forget(link);
        this.#tellClosed(place, other, 'lost');
        this.#tellClosed(other, place, 'lost');
      }
    }
  }

  /** Tells an end that its connection is gone, unless there is a new one already. */
  #tellClosed(place: Place, other: Place, why: 'closed' | 'lost'): void {
    if (place.isUp && !place.links.has(other.index)) this.#world.closed(place, other, why);
  }

  /** `other` had no room for `place`, which asks it less and less often to keep a connection. */
  #hold(place: Place, other: Place): void {
    const count = place.holds.get(other.index)?.count ?? 0;
    const waitMs = Math.min(this.#options.holdMsMax, this.#options.holdMs * 2 ** count);
    place.holds.delete(other.index); // a Map keeps the order of insertion: the first is the one set longest ago
    place.holds.set(other.index, { count: count + 1, untilMs: this.#world.nowMs + waitMs });
    if (place.holds.size > this.#options.holdsMax) place.holds.delete(place.holds.keys().next().value as number);
  }

  #dial(from: Place, to: Place): Dial | undefined {
    const dial: Dial = { waiting: [], refusals: 0 };
    if (this.#makeRoom(from)) {
      this.#begin(from, to, dial);
      return dial;
    }
    if (from.parked.size >= this.#options.parkedMax) return undefined;
    from.parked.set(to.index, dial);
    this.#tryLater(from, to, dial, this.#options.parkedTriesMax);
    return dial;
  }

  /** Begins a dial as soon as there is room for its connection. */
  #tryLater(from: Place, to: Place, dial: Dial, triesLeft: number, afterMs = this.#options.parkedEveryMs): void {
    this.#world.after(afterMs, () => {
      if (from.parked.get(to.index) !== dial) return; // went down meanwhile
      const link = from.links.get(to.index); // the other end may have dialled meanwhile
      const hasRoom = link !== undefined || this.#makeRoom(from);
      if (!hasRoom && triesLeft > 1) {
        this.#tryLater(from, to, dial, triesLeft - 1);
        return;
      }
      from.parked.delete(to.index);
      if (link !== undefined) {
        this.#flush(dial, link, from, to);
        return;
      }
      if (hasRoom) {
        this.#begin(from, to, dial);
        return;
      }
      this.counts.givenUp += 1;
      this.counts.dropped += dial.waiting.length;
    });
  }

  #begin(from: Place, to: Place, dial: Dial): void {
    this.counts.dials += 1;
    from.dials.set(to.index, dial);
    const world = this.#world;
    const roundTripMs = world.latencyMs(from.index, to.index) + world.latencyMs(to.index, from.index);
    const isSilent =
      !to.isDialable || (!to.isUp && !to.answersDials) || world.isBlocked(from, to) || world.isBlocked(to, from);
    const { dialTimeoutMs, dialCostMs, dialRoundTrips } = this.#options;
    const tookMs = isSilent ? dialTimeoutMs : to.isUp ? dialCostMs + dialRoundTrips * roundTripMs : roundTripMs;
    world.after(tookMs, () => this.#dialled(from, to, dial, isSilent));
  }

  #dialled(from: Place, to: Place, dial: Dial, isSilent: boolean): void {
    if (from.dials.get(to.index) !== dial) return; // went down meanwhile
    from.dials.delete(to.index);
    from.fullUntilMs = 0;
    const world = this.#world;
    let link = from.links.get(to.index); // both may have dialled at once
    if (link === undefined) {
      const isAnswered = !isSilent && to.isUp;
      // Looked at again on both sides: what was free when the dial began may be taken.
      const hasRoom = isAnswered && this.#makeRoom(from) && this.#makeRoom(to);
      const failure = hasRoom ? undefined : isAnswered ? 'refused' : 'unanswered';
      if (failure === 'refused') {
        this.counts.refused += 1;
        this.#refused(from, to, dial);
        return;
      }
      if (failure === 'unanswered') {
        this.counts.unanswered += 1;
        this.counts.dropped += dial.waiting.length;
        world.unreachable(from, to);
        return;
      }
      link = new Link(from.index, to.index, world.nowMs);
      from.links.set(to.index, link);
      to.links.set(from.index, link);
      world.opened(from, to);
    }
    this.#flush(dial, link, from, to);
  }

  #flush(dial: Dial, link: Link, from: Place, to: Place): void {
    for (const message of dial.waiting) {
      if (link.isOpen) this.#world.transmit(link, from, to, message);
    }
  }

  /** The other end lives, but has no room: where messages wait, it is asked again some times. */
  #refused(from: Place, to: Place, dial: Dial): void {
    const { refusedWaitMs, refusedTriesMax } = this.#options;
    this.#hold(from, to);
    dial.refusals += 1;
    if (dial.waiting.length === 0 || dial.refusals >= refusedTriesMax) {
      this.counts.dropped += dial.waiting.length;
      return;
    }
    from.parked.set(to.index, dial);
    this.#tryLater(from, to, dial, this.#options.parkedTriesMax, refusedWaitMs * 2 ** (dial.refusals - 1));
  }

  /** Whether a place can hold one more connection, the least recently used that it does not want going for it. */
  #makeRoom(place: Place): boolean {
    if (place.links.size + place.dials.size < place.linksMax) return true;
    const { nowMs } = this.#world;
    if (nowMs < place.fullUntilMs) return false;
    const wanted = this.#wanted(place);
    let oldest: Link | undefined;
    let fullUntilMs = place.wantedUntilMs;
    for (const [index, link] of place.links) {
      if (wanted.has(index)) continue;
      const grownMs = link.openedMs + this.#options.youngMs;
      if (nowMs < grownMs) fullUntilMs = Math.min(fullUntilMs, grownMs);
      else if (oldest === undefined || link.usedMs < oldest.usedMs) oldest = link;
    }
    if (oldest === undefined) {
      place.fullUntilMs = fullUntilMs;
      return false;
    }
    this.counts.closedForRoom += 1;
    this.close(oldest, place);
    return true;
  }

  #wanted(place: Place): ReadonlySet<number> {
    if (this.#world.nowMs < place.wantedUntilMs) return place.wanted;
    const keepMax = Math.max(1, place.linksMax - this.#options.reserve);
    const wanted = new Set<number>();
    for (const peer of place.node.wantedLinks()) {
      if (wanted.size === keepMax) break;
      const index = this.#world.indexOf(peer);
      if (index !== undefined) wanted.add(index);
    }
    place.wanted = wanted;
    place.wantedUntilMs = this.#world.nowMs + this.#options.wantedEveryMs;
    return wanted;
  }

  #forget(link: Link): void {
    link.isOpen = false;
    const [a, b] = [this.#world.places[link.a], this.#world.places[link.b]];
    a?.links.delete(link.b);
    b?.links.delete(link.a);
    for (const place of [a, b]) if (place !== undefined) place.fullUntilMs = 0;
  }
}
