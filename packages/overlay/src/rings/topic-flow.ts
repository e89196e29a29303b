import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { connectedFirst, type Reach } from './connected-first.ts';
import type { Member } from './member.ts';
import type { TopicRing } from './topic-ring.ts';

/** How a topic's events are named, and what is done when they stay away; see {@link TopicFlow}. */
export const flowLimits = {
  /** While there are events, members are told of them so often, milliseconds. */
  tickMs: 1_000,
  /**
   * Of events that are here for `afterMs` and came within `spanMs` before that, `members` are told each time. A flow in
   * which all is well has brought an event to everybody after that time: then naming it costs no question. Of the members
   * `unconnectedMax` at most need a dial, and none while {@link TopicFlow.mayExplore} says no.
   */
  calm: { afterMs: 1_000, spanMs: 2_000, members: 1, unconnectedMax: 1 },
  /** Our own events, which nobody else has where all that we gave them to kept them back. */
  own: { afterMs: 1_000, spanMs: 6_000, members: 8, unconnectedMax: 2 },
  troubled: { afterMs: 250, spanMs: 15_000, members: 8, unconnectedMax: 2 },
  /**
   * Of a trouble that is new, within `newTroubleMs`, more are told: who of those connected lacks events is found within some
   * seconds, and word of an event costs no dial there.
   */
  newlyTroubled: { afterMs: 250, spanMs: 15_000, members: 24, unconnectedMax: 6 },
  /** So long after the last event that had to be asked for a topic is troubled, milliseconds. */
  troubledMs: 60_000,
  /** Who asked for what should have come by itself is given events whole for so long; so many at once. */
  hungryMs: 120_000,
  /** It has to ask again after so long, and within so long: who was busy for a moment lacks a crowd of events at once. */
  hungryAfterMs: 2_000,
  hungryWithinMs: 30_000,
  hungryMax: 6,
  /** Who gave us an event is remembered until so many others have come; so many members at once. */
  giverEvents: 16,
  giversMax: 12,
  /** So many of them are given each event while the topic is troubled, and so many links are kept for their sake. */
  giversPerEvent: 5,
  /**
   * An event, or word of one, goes to a member without a connection this seldom, milliseconds: each costs a dial, and a stream
   * of events would make as many as it has events. Trouble that is new, for so long, is worth more of them: whoever of those
   * met then gives something is kept.
   */
  exploreEveryMs: { calm: 10_000, troubled: 2_000, newlyTroubled: 500 },
  newTroubleMs: 20_000,
  /**
   * Trouble counts as new again after so long at the earliest: a liar could make some once a minute. Where half of the last
   * `lastEvents` had to be asked for, which takes more than one liar, it does so sooner: trouble made early hides none that is meant.
   */
  newTroubleEveryMs: { usual: 300_000, broad: 60_000 },
  lastEvents: 8,
  /** Events whose coming is watched, and of which it is known to whom they went, while a topic is troubled. */
  watchedMax: 64,
  /**
   * A stream of at least `events` that stops for `gaps` times its usual gap, and `quietMs`, may have been kept from us: `members`
   * are asked each tick, `ticks` times. In vain, it has to be `factor` times as long the next time; past `quietMsMax` nobody asks.
   */
  silence: { events: 8, gaps: 10, quietMs: 5_000, quietMsMax: 60_000, ticks: 10, members: 2, factor: 4 },
} as const;

/** What is named each time. */
export interface Naming {
  /** Events that are here for so long, and of these so much time's, milliseconds. */
  readonly afterMs: number;
  readonly spanMs: number;
  /** To how many members, and to how many of them without a connection. */
  readonly members: number;
  readonly unconnectedMax: number;
}

/**
 * How the events of one topic come and go: who gave us some lately, who lacked some, and whether the topic is troubled,
 * that is, whether events come only when they are asked for. Members that take part in everything and hand on nothing
 * cannot be told from good ones by their words, but they never give; whoever gives is kept, and is given to.
 */
export class TopicFlow {
  readonly #sinceMs: number;
  readonly #givers = new Map<PeerId, number>();
  readonly #hungry = new Map<PeerId, number>();
  /** Who asked for events, and since when. */
  readonly #askers = new Map<PeerId, number>();
  /** Events that came because we asked, and when. */
  readonly #asked = new Map<string, number>();
  readonly #sentTo = new Map<string, ReadonlySet<PeerId>>();
  #eventCount = 0;
  #troubledUntilMs = 0;
  #activeUntilMs = 0;
  #wasTroubled = false;
  #ownUntilMs = 0;
  #exploredAtMs = Number.NEGATIVE_INFINITY;
  #newTroubleAtMs = Number.NEGATIVE_INFINITY;
  /** Of the last events, the latest last, whether they had to be asked for. */
  readonly #last: boolean[] = [];
  #cameAtMs = 0;
  #gapMs = 0;
  #silentTicks = 0;
  #vainCount = 0;

  /** Events published before `sinceMs` say nothing of the topic's state: a newcomer asks for them in the best of rings. */
  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs;
  }

  /** Whether there is something to name or to watch. */
  isActive(nowMs: number): boolean {
    return nowMs <= this.#activeUntilMs;
  }

  isTroubled(nowMs: number): boolean {
    return nowMs < this.#troubledUntilMs;
  }

  /** Which events are named each time, and to how many. */
  naming(nowMs: number): Naming {
    return flowLimits[this.#state(nowMs)];
  }

  #state(nowMs: number): 'calm' | 'troubled' | 'newlyTroubled' {
    if (!this.isTroubled(nowMs)) return 'calm';
    return nowMs - this.#newTroubleAtMs <= flowLimits.newTroubleMs ? 'newlyTroubled' : 'troubled';
  }

  /** Whether it was troubled when it was last looked at. */
  get wasTroubled(): boolean {
    return this.#wasTroubled;
  }

  /** Whether there are events of our own to name. */
  hasOwn(nowMs: number): boolean {
    return nowMs <= this.#ownUntilMs;
  }

  /** Whether an event may go to somebody without a connection, should chance have it so. */
  mayExplore(nowMs: number): boolean {
    return nowMs - this.#exploredAtMs >= flowLimits.exploreEveryMs[this.#state(nowMs)];
  }

  explored(nowMs: number): void {
    this.#exploredAtMs = nowMs;
  }

  /** An event came for the first time; `isAnswer` where we had asked for it. */
  came(key: string, from: PeerId, isAnswer: boolean, publishedAtMs: number, nowMs: number): void {
    this.#noteTime(isAnswer, nowMs);
    this.#last.push(isAnswer);
    if (this.#last.length > flowLimits.lastEvents) this.#last.shift();
    this.#gave(from);
    if (isAnswer && publishedAtMs >= this.#sinceMs) setBounded(this.#asked, key, nowMs, flowLimits.watchedMax);
  }

  /** Another copy came by itself: the event was only late. It shows that its giver hands on, unless it was our own copy. */
  cameAgain(key: string, from: PeerId): void {
    this.#asked.delete(key);
    const sentTo = this.#sentTo.get(key);
    if (sentTo !== undefined && !sentTo.has(from)) this.#gave(from);
  }

  /** An event is kept here from now on, and goes to `targets`. */
  forwarded(key: string, targets: readonly PeerId[], isOwn: boolean, nowMs: number): void {
    const { own } = flowLimits;
    if (isOwn) this.#ownUntilMs = nowMs + own.afterMs + own.spanMs;
    this.#activeUntilMs = Math.max(this.#activeUntilMs, this.#ownUntilMs);
    const { afterMs, spanMs } = this.naming(nowMs);
    this.#activeUntilMs = Math.max(this.#activeUntilMs, nowMs + afterMs + spanMs);
    if (this.isTroubled(nowMs)) setBounded(this.#sentTo, key, new Set(targets), flowLimits.watchedMax);
  }

  /**
   * A member asked for an event that has been here for `sinceMs`. Some that should have come to it by themselves show that it
   * is cut off: it gets the next ones unasked. Where all places are taken, who gives keeps its own. True where the peer has a place.
   */
  asked(peer: PeerId, sinceMs: number, nowMs: number): boolean {
    if (sinceMs < this.naming(nowMs).afterMs) return false;
    if (!this.#hungry.has(peer) && !this.#hasAskedBefore(peer, nowMs)) return false;
    this.#hungry.delete(peer);
    if (this.#hungry.size >= flowLimits.hungryMax) {
      const all = [...this.#hungry];
      const [leaving] = all.find(([, untilMs]) => untilMs <= nowMs) ?? all.find(([one]) => !this.#isGiver(one)) ?? [];
      if (leaving === undefined) return false;
      this.#hungry.delete(leaving);
    }
    this.#hungry.set(peer, nowMs + flowLimits.hungryMs);
    return true;
  }

  #hasAskedBefore(peer: PeerId, nowMs: number): boolean {
    const sinceMs = nowMs - (this.#askers.get(peer) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs > flowLimits.hungryWithinMs) setBounded(this.#askers, peer, nowMs, flowLimits.watchedMax);
    return sinceMs >= flowLimits.hungryAfterMs && sinceMs <= flowLimits.hungryWithinMs;
  }

  /** Looks whether events that were asked for came by themselves later. True where the topic is found troubled. */
  wake(nowMs: number): boolean {
    let isFound = false;
    for (const [key, atMs] of this.#asked) {
      if (nowMs - atMs < flowLimits.calm.afterMs) break;
      this.#asked.delete(key);
      isFound = true;
    }
    if (isFound) {
      const { usual, broad } = flowLimits.newTroubleEveryMs;
      const sinceMs = nowMs - this.#newTroubleAtMs;
      if (this.#isBroad ? sinceMs >= broad : !this.isTroubled(nowMs) && sinceMs >= usual) this.#newTroubleAtMs = nowMs;
      this.#troubledUntilMs = nowMs + flowLimits.troubledMs;
      this.#activeUntilMs = Math.max(this.#activeUntilMs, nowMs + flowLimits.troubled.spanMs);
    }
    this.#wasTroubled = this.isTroubled(nowMs);
    if (!this.#wasTroubled) this.#sentTo.clear();
    return isFound;
  }

  get #isBroad(): boolean {
    return this.#last.filter((isAnswer) => isAnswer).length >= flowLimits.lastEvents / 2;
  }

  /** Whether a stream has stopped in a way that makes it worth asking members for events; counts the times. */
  isSilent(nowMs: number): boolean {
    const { events, ticks } = flowLimits.silence;
    if (this.#eventCount < events || this.#silentTicks >= ticks) return false;
    if (nowMs - this.#cameAtMs < this.#quietMs) return false;
    this.#silentTicks += 1;
    this.#wasTroubled = true; // until it is looked at after the last of these
    if (this.#silentTicks === ticks) this.#vainCount += 1;
    return true;
  }

  get #quietMs(): number {
    const { gaps, quietMs, factor } = flowLimits.silence;
    return Math.max(quietMs, gaps * this.#gapMs) * factor ** this.#vainCount;
  }

  #noteTime(isAnswer: boolean, nowMs: number): void {
    const { events, quietMsMax, ticks } = flowLimits.silence;
    if (this.#eventCount > 0) this.#gapMs = 0.8 * this.#gapMs + 0.2 * (nowMs - this.#cameAtMs);
    if (isAnswer && this.#silentTicks > 0) this.#vainCount = 0;
    this.#silentTicks = 0;
    this.#eventCount += 1;
    this.#cameAtMs = nowMs;
    if (this.#eventCount < events || this.#quietMs > quietMsMax) return;
    this.#activeUntilMs = Math.max(this.#activeUntilMs, nowMs + this.#quietMs + (ticks + 1) * flowLimits.tickMs);
  }

  /** Who gets events beside those the ring's rule names: the hungry, and while it is troubled who gave some lately. */
  eager(nowMs: number): PeerId[] {
    const eager: PeerId[] = [];
    for (const [peer, untilMs] of this.#hungry) {
      if (untilMs > nowMs) eager.push(peer);
      else this.#hungry.delete(peer);
    }
    return this.isTroubled(nowMs) ? [...new Set([...eager, ...this.givers()])] : eager;
  }

  /** The last ones that gave us an event, the latest first. */
  givers(): PeerId[] {
    const givers = [...this.#givers.keys()].filter((peer) => this.#isGiver(peer));
    return givers.reverse().slice(0, flowLimits.giversPerEvent);
  }

  #isGiver(peer: PeerId): boolean {
    const number = this.#givers.get(peer);
    return number !== undefined && number > this.#eventCount - flowLimits.giverEvents;
  }

  #gave(peer: PeerId): void {
    this.#givers.delete(peer); // set anew: the first of a Map is the one that gave longest ago
    setBounded(this.#givers, peer, this.#eventCount, flowLimits.giversMax);
  }
}

/** Until when a member was told of events: of any, or of our own. */
export type NamedCursor = keyof Pick<Member, 'namedAtMs' | 'ownNamedAtMs'>;

/** Members to tell of events: connected ones more often than not, those told longest ago first among each kind. */
export function chooseListeners(
  ring: TopicRing,
  count: number,
  cursor: NamedCursor,
  reach: Reach,
  dependencies: { readonly random: Random; readonly isConnected: (peer: PeerId) => boolean },
): Member[] {
  const { random, isConnected } = dependencies;
  // Shuffled before it is sorted: among equals chance decides.
  const members = random.shuffle([...ring.members.values()].filter((member) => member.isProven));
  members.sort((one, other) => one[cursor] - other[cursor]);
  return connectedFirst(members, count, reach, { random, isConnected: ({ peer }) => isConnected(peer) });
}

function setBounded<K, V>(map: Map<K, V>, key: K, value: V, entriesMax: number): void {
  map.set(key, value);
  if (map.size > entriesMax) map.delete(map.keys().next().value as K); // there is one in a full map
}
