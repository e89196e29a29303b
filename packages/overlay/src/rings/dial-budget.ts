import type { PeerId } from '@pulsemesh/wire';
import { TokenBuckets } from '../token-buckets.ts';

/** How many questions of rings may open a connection. */
export interface DialBudgetOptions {
  /** So many a minute, and at once after a quiet one, or as many as `perTopicMinute` makes for all topics if that is more. */
  readonly perMinute: number;
  readonly perTopicMinute: number;
  /** Of these so many a minute for one topic, so that no ring that is kept busy takes all. */
  readonly oneTopicPerMinute: number;
  /** A dial is under way for so long, milliseconds: further questions to the same peer are free. */
  readonly dialMs: number;
}

/** Topics of which it is remembered what they used. */
const topicsMax = 1_024;

/**
 * Says which questions may open a connection. Who reads many topics has more ring neighbours than connections: rings that come
 * about would dial one after another and close each for the next.
 */
export class DialBudget {
  readonly #options: DialBudgetOptions;
  readonly #ofTopics: TokenBuckets<string>;
  readonly #dialledAtMs = new Map<PeerId, number>();
  #left: number;
  #atMs = 0;

  constructor(options: DialBudgetOptions) {
    this.#options = options;
    this.#ofTopics = new TokenBuckets(options.oneTopicPerMinute, topicsMax);
    this.#left = options.perMinute;
  }

  /** Whether one of `topicCount` topics may dial `peer` at `nowMs`; if so it is counted. */
  take(peer: PeerId, topicKey: string, topicCount: number, nowMs: number): boolean {
    for (const [one, atMs] of this.#dialledAtMs) {
      if (nowMs - atMs < this.#options.dialMs) break;
      this.#dialledAtMs.delete(one);
    }
    if (this.#dialledAtMs.has(peer)) return true;
    const perMinute = Math.max(this.#options.perMinute, this.#options.perTopicMinute * topicCount);
    this.#left = Math.min(perMinute, this.#left + (Math.max(0, nowMs - this.#atMs) / 60_000) * perMinute);
    this.#atMs = nowMs;
    if (this.#left < 1 || !this.#ofTopics.take(topicKey, nowMs)) return false;
    this.#left -= 1;
    this.#dialledAtMs.set(peer, nowMs);
    return true;
  }
}
