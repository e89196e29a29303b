import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createTopic } from '../topic.ts';
import { Subscribers } from './subscribers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';

const topic = createTopic('ward 3', new Uint8Array(32).fill(3));
const [one, two, three] = ['one', 'two', 'three'] as [PeerId, PeerId, PeerId];
const nobody = () => false;

function createSubscribers(): Subscribers {
  return new Subscribers({ subscribersMax: 2, subscribersNamedMs: 1_000 });
}

describe('the subscribers of a topic', () => {
  it('are named until nobody asks them and nothing comes from them for a while, and again when something does', () => {
    const subscribers = createSubscribers();
    expect(subscribers.prove(one, 0, nobody)).toEqual({ isNews: true, displaced: [] });
    expect(subscribers.prove(one, 100, nobody)).toEqual({ isNews: false, displaced: [] });
    expect(subscribers.fade(1_100, nobody)).toEqual([]);
    expect(subscribers.fade(1_101, (peer) => peer === one)).toEqual([]);
    expect(subscribers.fade(1_101, nobody)).toEqual([one]);
    expect([[...subscribers.named()], subscribers.namedCount]).toEqual([[], 0]);
    expect(subscribers.has(one)).toBe(true); // its proof still holds
    expect(subscribers.heard(one, 2_000)).toBe(true);
    expect(subscribers.heard(one, 2_100)).toBe(false);
    expect([[...subscribers.named()], subscribers.namedCount]).toEqual([[one], 1]);
    expect(subscribers.delete(one)).toBe(true);
    expect(subscribers.heard(one, 2_200)).toBe(false);
    expect([[...subscribers.named()], subscribers.namedCount]).toEqual([[], 0]);
  });

  it('give way when there are too many: first one that nobody asks', () => {
    const subscribers = createSubscribers();
    subscribers.prove(one, 0, nobody);
    subscribers.prove(two, 0, nobody);
    expect(subscribers.prove(three, 0, (peer) => peer === one)).toEqual({ isNews: true, displaced: [two] });
    expect([[...subscribers.named()], subscribers.namedCount]).toEqual([[one, three], 2]);
  });

  it('lose within an hour and a half those who vanished without a word, and nobody else', () => {
    const world = new RingWorld(80);
    world.joinAll(topic, 4);
    world.run(300);
    for (const { peer } of world.all.slice(40)) world.dead.add(peer); // and no connection closes
    world.run(90 * 60);
    const toldOf = ({ subscriptions }: WorldNode) => {
      const told = new Set<PeerId>();
      for (const { peer, isSubscribed } of subscriptions) isSubscribed ? told.add(peer) : told.delete(peer);
      return told;
    };
    for (const node of world.live) {
      const named = node.rings.members(topic);
      expect(named.filter((peer) => world.dead.has(peer))).toEqual([]);
      expect(named.length).toBeGreaterThan(20); // of 39: a ring remembers no more than thirty
      expect(new Set(named)).toEqual(toldOf(node));
    }
  });
});
