import type { EventHead } from './event.ts';

/** Limits of {@link EventStore}. */
export const eventStoreLimits = {
  bytesMax: 16 * 1024 * 1024,
  eventsMax: 4_096,
  /** Milliseconds. */
  keptMs: 60_000,
} as const;

/** An event that can be given to who asks. */
export interface StoredEvent {
  readonly head: EventHead;
  readonly bytes: Uint8Array;
  readonly topicKey: string;
  readonly hops: number;
  /** When it came to us, unix milliseconds. */
  readonly storedAtMs: number;
}

/**
 * The events of the last minute, for peers that were told of one, or missed it. Full: the oldest of the topic that holds most goes, so
 * that a flood in one topic takes nothing from others.
 */
export class EventStore {
  readonly #limits: { readonly bytesMax: number; readonly eventsMax: number; readonly keptMs: number };
  /** In the order of their coming. */
  readonly #events = new Map<string, StoredEvent>();
  readonly #byTopic = new Map<string, { readonly events: StoredEvent[]; bytes: number }>();
  #bytes = 0;

  constructor(limits: { readonly bytesMax?: number; readonly eventsMax?: number; readonly keptMs?: number } = {}) {
    this.#limits = { ...eventStoreLimits, ...limits };
  }

  get size(): number {
    return this.#events.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps an event, one that is larger than the whole store excepted. */
  put(event: StoredEvent): void {
    if (event.bytes.length > this.#limits.bytesMax || this.#events.has(event.head.key)) return;
    this.#events.set(event.head.key, event);
    const sameTopic = this.#byTopic.get(event.topicKey) ?? { events: [], bytes: 0 };
    this.#byTopic.set(event.topicKey, sameTopic);
    sameTopic.events.push(event);
    sameTopic.bytes += event.bytes.length;
    this.#bytes += event.bytes.length;
    this.expire(event.storedAtMs);
  }

  get(key: string): StoredEvent | undefined {
    return this.#events.get(key);
  }

  /** A topic's events that came in (sinceMs, untilMs], the newest `count`. */
  recent(topicKey: string, sinceMs: number, untilMs: number, count: number): StoredEvent[] {
    const events = this.#byTopic.get(topicKey)?.events ?? [];
    const recent: StoredEvent[] = [];
    for (let index = events.length - 1; index >= 0 && recent.length < count; index -= 1) {
      const event = events[index] as StoredEvent; // index is within
      if (event.storedAtMs <= sinceMs) break;
      if (event.storedAtMs <= untilMs) recent.push(event);
    }
    return recent;
  }

  /** Lets go what is too old or too much. */
  expire(nowMs: number): void {
    for (const [key, event] of this.#events) {
      if (event.storedAtMs >= nowMs - this.#limits.keptMs) break;
      this.#forget(key, event);
    }
    while (this.#bytes > this.#limits.bytesMax) this.#forgetOfLargest(({ bytes }) => bytes);
    while (this.#events.size > this.#limits.eventsMax) this.#forgetOfLargest(({ events }) => events.length);
  }

  #forgetOfLargest(
    sizeOf: (topic: { readonly events: readonly StoredEvent[]; readonly bytes: number }) => number,
  ): void {
    const largest = [...this.#byTopic.values()].reduce((one, other) => (sizeOf(other) > sizeOf(one) ? other : one));
    const oldest = largest.events[0] as StoredEvent; // a topic is there as long as it has events, and the store is full
    this.#forget(oldest.head.key, oldest);
  }

  /** Forgets the events of a topic that was left. */
  drop(topicKey: string): void {
    for (const event of [...(this.#byTopic.get(topicKey)?.events ?? [])]) this.#forget(event.head.key, event);
  }

  #forget(key: string, event: StoredEvent): void {
    this.#events.delete(key);
    this.#bytes -= event.bytes.length;
    const sameTopic = this.#byTopic.get(event.topicKey);
    if (sameTopic === undefined) return;
    // Both keep the order of coming, and what goes is the first of its topic.
    sameTopic.events.shift();
    sameTopic.bytes -= event.bytes.length;
    if (sameTopic.events.length === 0) this.#byTopic.delete(event.topicKey);
  }
}
