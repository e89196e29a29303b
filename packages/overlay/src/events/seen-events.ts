import { eventLimits } from './event.ts';

/** Limits of {@link SeenEvents}. */
export const seenEventsLimits = {
  idsMax: 50_000,
  /** Of one topic, ids of events from later than our now, a share of `idsMax`: all of them at once would shut out the present. */
  aheadShareMax: 0.1,
  /** What counts as now, milliseconds. */
  nowMs: 2_000,
  /** How long after its publishing an id is remembered, milliseconds; with clocks ahead, 20 minutes at most. */
  keptMs: eventLimits.ageMsMax + eventLimits.aheadMsMax,
} as const;

/** What came of an event's id and time. */
export type Sight = 'new' | 'seen' | 'too-old' | 'too-early';

interface Seen {
  readonly ids: Set<string>;
  /** Ids by the second of their publishing. */
  readonly bySecond: Map<number, string[]>;
  oldestSecond: number;
  /** Events published up to this second are refused: their ids may have been forgotten. */
  floorSecond: number;
}

/**
 * The ids of events that were seen, so that nothing is delivered or forwarded twice. An id is forgotten only when its time
 * of publishing is refused from then on; thus nothing forgotten can be replayed, also when many come: then the floor of
 * accepted times rises in the topic that has the most, and others are left alone.
 */
export class SeenEvents {
  readonly #idsMax: number;
  readonly #topics = new Map<string, Seen>();
  #size = 0;

  constructor(options: { readonly idsMax?: number } = {}) {
    this.#idsMax = options.idsMax ?? seenEventsLimits.idsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** What {@link add} would say, changing nothing. */
  look(topicKey: string, id: string, publishedAtMs: number, nowMs: number): Sight {
    const seen = this.#topics.get(topicKey);
    if (seen?.ids.has(id)) return 'seen';
    if (publishedAtMs > nowMs + eventLimits.aheadMsMax) return 'too-early';
    if (publishedAtMs < nowMs - eventLimits.ageMsMax) return 'too-old';
    if (seen === undefined) return 'new';
    if (secondOf(publishedAtMs) <= seen.floorSecond) return 'too-old';
    return this.#isFullAhead(seen, publishedAtMs, nowMs) ? 'too-early' : 'new';
  }

  /** Remembers the id where it is new. Times are unix milliseconds. */
  add(topicKey: string, id: string, publishedAtMs: number, nowMs: number): Sight {
    const sight = this.look(topicKey, id, publishedAtMs, nowMs);
    if (sight !== 'new') return sight;
    let seen = this.#topics.get(topicKey);
    if (seen === undefined) {
      seen = { ids: new Set(), bySecond: new Map(), oldestSecond: Number.POSITIVE_INFINITY, floorSecond: -1 };
      this.#topics.set(topicKey, seen);
    }
    const second = secondOf(publishedAtMs);
    const sameSecond = seen.bySecond.get(second);
    if (sameSecond === undefined) seen.bySecond.set(second, [id]);
    else sameSecond.push(id);
    seen.ids.add(id);
    seen.oldestSecond = Math.min(seen.oldestSecond, second);
    this.#size += 1;
    this.#forgetBefore(seen, secondOf(nowMs - seenEventsLimits.keptMs));
    while (this.#size > this.#idsMax) this.#forgetOldest(this.#largest());
    return 'new';
  }

  /** Forgets what is past its time, and topics of which nothing is left to remember. */
  expire(nowMs: number): void {
    const second = secondOf(nowMs - seenEventsLimits.keptMs);
    for (const [topicKey, seen] of this.#topics) {
      this.#forgetBefore(seen, second);
      if (seen.ids.size === 0 && seen.floorSecond < second) this.#topics.delete(topicKey);
    }
  }

  /**
   * Whether an event from later than now finds its topic full of such. When there are too many ids the oldest go, and with them
   * the right of others to be as old; were events five minutes ahead to push out all before, nothing would pass until then.
   */
  #isFullAhead(seen: Seen, publishedAtMs: number, nowMs: number): boolean {
    const nowSecond = secondOf(nowMs + seenEventsLimits.nowMs);
    const aheadMax = this.#idsMax * seenEventsLimits.aheadShareMax;
    if (secondOf(publishedAtMs) <= nowSecond || seen.ids.size < aheadMax) return false;
    let count = 0;
    for (const [second, ids] of seen.bySecond) if (second > nowSecond) count += ids.length;
    return count >= aheadMax;
  }

  #forgetBefore(seen: Seen, second: number): void {
    while (seen.oldestSecond < second) this.#forgetOldest(seen);
  }

  #forgetOldest(seen: Seen): void {
    const second = seen.oldestSecond;
    const ids = seen.bySecond.get(second) ?? [];
    for (const id of ids) seen.ids.delete(id);
    this.#size -= ids.length;
    seen.bySecond.delete(second);
    seen.floorSecond = Math.max(seen.floorSecond, second);
    seen.oldestSecond = Number.POSITIVE_INFINITY;
    for (const other of seen.bySecond.keys()) seen.oldestSecond = Math.min(seen.oldestSecond, other);
  }

  #largest(): Seen {
    let largest: Seen | undefined;
    for (const seen of this.#topics.values()) {
      if (largest === undefined || seen.ids.size > largest.ids.size) largest = seen;
    }
    return largest as Seen; // there is one where there are ids
  }
}

function secondOf(unixMs: number): number {
  return Math.floor(unixMs / 1_000);
}
