import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createTopic } from '../topic.ts';
import { createEvent, type EventHead, readEventHead } from './event.ts';
import { EventStore, type StoredEvent } from './event-store.ts';

const random = createSeededRandom(1);
const startMs = Date.UTC(2026, 5, 1, 12);
const topic = createTopic('ward 3');

function stored(storedAtMs: number, topicKey = 'ward 3', size = 100): StoredEvent {
  const bytes = createEvent(topic, { data: random.bytes(size), class: 'normal' }, storedAtMs, random);
  return { head: readEventHead(bytes) as EventHead, bytes, topicKey, hops: 1, storedAtMs }; // made here
}

describe('a store of recent events', () => {
  it('gives what came within a time, the newest where there are too many', () => {
    const store = new EventStore();
    const events = [0, 1, 2, 3].map((second) => stored(startMs + second * 1_000));
    for (const event of events) store.put(event);
    store.put(stored(startMs + 1_500, 'ward 4'));
    expect(store.get(events[1]?.head.key ?? '')).toBe(events[1]);
    expect(store.recent('ward 3', startMs, startMs + 2_000, 10)).toEqual([events[2], events[1]]);
    expect(store.recent('ward 3', 0, startMs + 9_000, 1)).toEqual([events[3]]);
    expect(store.recent('ward 9', 0, startMs + 9_000, 1)).toEqual([]);
  });

  it('lets the oldest go past its bytes, its number and its time', () => {
    const bytes = stored(startMs).bytes.length;
    const byBytes = new EventStore({ bytesMax: bytes * 3 });
    const byNumber = new EventStore({ eventsMax: 3 });
    const events = [0, 1, 2, 3, 4].map((second) => stored(startMs + second * 1_000));
    for (const store of [byBytes, byNumber]) {
      for (const event of events) store.put(event);
      expect(store.size).toBe(3);
      expect(store.recent('ward 3', 0, startMs + 9_000, 9)).toEqual([events[4], events[3], events[2]]);
      store.expire(startMs + 63_500);
      expect(store.size).toBe(1);
      expect(store.bytes).toBe(bytes);
    }
  });

  it('full, lets the oldest go of the topic that holds most, and keeps the others whole', () => {
    const bytes = stored(startMs).bytes.length;
    for (const store of [new EventStore({ bytesMax: bytes * 4 }), new EventStore({ eventsMax: 4 })]) {
      const alert = stored(startMs, 'ward 4');
      store.put(alert);
      for (let second = 1; second <= 20; second += 1) store.put(stored(startMs + second * 1_000));
      expect(store.size).toBe(4);
      expect(store.get(alert.head.key)).toBe(alert);
    }
  });

  it('does not take an event larger than itself, nor the same one twice', () => {
    const store = new EventStore({ bytesMax: 300 });
    store.put(stored(startMs, 'ward 3', 400));
    expect(store.size).toBe(0);
    const event = stored(startMs);
    store.put(event);
    store.put(event);
    expect(store.recent('ward 3', 0, startMs, 9)).toHaveLength(1);
  });

  it('forgets the events of one topic', () => {
    const store = new EventStore();
    const kept = stored(startMs, 'ward 4');
    for (const event of [stored(startMs), kept, stored(startMs)]) store.put(event);
    store.drop('ward 3');
    expect(store.size).toBe(1);
    expect(store.recent('ward 4', 0, startMs, 9)).toEqual([kept]);
  });
});
