import { type Clock, type Counter, type Meter, sleep } from '@pulsemesh/base';
import type { SubjectId } from '@pulsemesh/network';
import { alertFields } from '../../records/codec.ts';
import type { SubjectReadings } from '../../windows/open-windows.ts';
import type { Prediction, Window } from '../../windows/window.ts';
import type { FoldedEvent } from './fold.ts';

/** One push of the feed, every entry a plain array so that it is cheap on the wire. */
export interface FeedItem {
  /** `[subjectId, tMs, heartRateBpm, rrMs]`. */
  readonly readings: readonly (readonly [string, number, number, readonly number[]])[];
  /** `[subjectId, startSeconds, score | null, input, missingSeconds, implausibleCount, readingCount, modelId]`. */
  readonly windows: readonly (readonly [string, number, number | null, string, number, number, number, string])[];
  /** `[subjectId, event fields]`, the fields in the order of the alert record. */
  readonly alerts: readonly (readonly [string, readonly (string | number)[]])[];
}

export interface FeedOptions {
  /** Between two pushes to a subscriber, at least. */
  readonly periodMs: number;
  readonly subscribersMax: number;
  /** Entries that wait for one subscriber; past it the oldest are left out: the feed is a view, not the record. */
  readonly entriesMax: number;
  /** Entries in one push: what fits a frame, even where each reading has as many intervals as it may. */
  readonly entriesPerPushMax: number;
}

export const feedDefaults: FeedOptions = {
  periodMs: 120,
  subscribersMax: 32,
  entriesMax: 20_000,
  entriesPerPushMax: 2_000,
};

type Entry =
  | { readonly kind: 'readings'; readonly value: FeedItem['readings'][number] }
  | { readonly kind: 'windows'; readonly value: FeedItem['windows'][number] }
  | { readonly kind: 'alerts'; readonly value: FeedItem['alerts'][number] };

interface Subscriber {
  entries: Entry[];
  wake: (() => void) | undefined;
}

/** The live view of what passes through this peer. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #clock: Clock;
  readonly #dropped: Counter;
  readonly #subscribers = new Set<Subscriber>();

  constructor(options: Partial<FeedOptions>, dependencies: { readonly clock: Clock; readonly meter: Meter }) {
    this.#options = { ...feedDefaults, ...options };
    this.#clock = dependencies.clock;
    this.#dropped = dependencies.meter.counter(
      'aggregation_feed_dropped_total',
      'Feed entries left out because a subscriber was too slow or there were too many',
    );
  }

  get subscriberCount(): number {
    return this.#subscribers.size;
  }

  readings(part: SubjectReadings): void {
    if (this.#subscribers.size === 0) return;
    for (const { tMs, heartRateBpm, rrMs } of part.readings) {
      this.#push({ kind: 'readings', value: [part.subjectId, tMs, heartRateBpm, rrMs] });
    }
  }

  window(subjectId: SubjectId, window: Window, prediction: Prediction): void {
    if (this.#subscribers.size === 0) return;
    const { startSeconds, input, quality, readings } = window;
    const { missingSeconds, implausibleCount } = quality;
    const { score, modelId } = prediction;
    const count = readings.length;
    this.#push({
      kind: 'windows',
      value: [subjectId, startSeconds, score, input, missingSeconds, implausibleCount, count, modelId],
    });
  }

  alert(subjectId: SubjectId, { event }: FoldedEvent): void {
    this.#push({ kind: 'alerts', value: [subjectId, alertFields(event)] });
  }

  /** Pushes until the subscriber leaves or `signal` aborts. One past `subscribersMax` ends at once. */
  async *subscribe(signal: AbortSignal): AsyncGenerator<FeedItem, void, undefined> {
    if (this.#subscribers.size >= this.#options.subscribersMax) {
      this.#dropped.add();
      return;
    }
    const subscriber: Subscriber = { entries: [], wake: undefined };
    const onAbort = () => subscriber.wake?.();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#subscribers.add(subscriber);
    try {
      // An empty first push says that the subscription stands.
      yield { readings: [], windows: [], alerts: [] };
      while (!signal.aborted) {
        if (subscriber.entries.length === 0) {
          await new Promise<void>((resolve) => {
            subscriber.wake = resolve;
          });
          continue;
        }
        yield itemOf(subscriber.entries.splice(0, this.#options.entriesPerPushMax));
        await sleep(this.#clock, this.#options.periodMs, { signal }).catch(() => {});
      }
    } finally {
      this.#subscribers.delete(subscriber);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #push(entry: Entry): void {
    for (const subscriber of this.#subscribers) {
      subscriber.entries.push(entry);
      if (subscriber.entries.length > this.#options.entriesMax) {
        // A tenth at once, so that a slow subscriber does not cost a shift for each entry.
        const excess = Math.ceil(this.#options.entriesMax / 10);
        subscriber.entries.splice(0, excess);
        this.#dropped.add(excess);
      }
      subscriber.wake?.();
      subscriber.wake = undefined;
    }
  }
}

function itemOf(entries: readonly Entry[]): FeedItem {
  const readings: FeedItem['readings'][number][] = [];
  const windows: FeedItem['windows'][number][] = [];
  const alerts: FeedItem['alerts'][number][] = [];
  for (const entry of entries) {
    if (entry.kind === 'readings') readings.push(entry.value);
    else if (entry.kind === 'windows') windows.push(entry.value);
    else alerts.push(entry.value);
  }
  return { readings, windows, alerts };
}
