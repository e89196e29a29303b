import type { PairUseLimits } from './pair-limits.ts';

interface Talker {
  sinceMs: number;
  count: number;
}

/** Who wrote how often lately, and to whom a session was offered when. Bounded: who wrote least lately is forgotten. */
export class Talkers {
  readonly #limits: PairUseLimits;
  readonly #talkers = new Map<string, Talker>();
  readonly #offeredMs = new Map<string, number>();

  constructor(limits: PairUseLimits) {
    this.#limits = limits;
  }

  /** One more message of this peer; true where they write often. */
  heard(peer: string, nowMs: number): boolean {
    const { talkCountMin, talkWithinMs, talkersMax } = this.#limits;
    const known = this.#talkers.get(peer);
    this.#talkers.delete(peer);
    const talker = known !== undefined && nowMs - known.sinceMs < talkWithinMs ? known : { sinceMs: nowMs, count: 0 };
    talker.count += 1;
    putBounded(this.#talkers, peer, talker, talkersMax);
    return talker.count >= talkCountMin;
  }

  /** True where this peer may be offered a session; that is remembered. */
  offer(peer: string, nowMs: number): boolean {
    const offeredMs = this.#offeredMs.get(peer);
    if (offeredMs !== undefined && nowMs - offeredMs < this.#limits.offerAgainMs) return false;
    this.#offeredMs.delete(peer);
    putBounded(this.#offeredMs, peer, nowMs, this.#limits.talkersMax);
    return true;
  }
}

function putBounded<Value>(map: Map<string, Value>, key: string, value: Value, countMax: number): void {
  // A Map keeps the order of insertion: the first is the oldest.
  if (map.size >= countMax) map.delete(map.keys().next().value as string);
  map.set(key, value);
}
