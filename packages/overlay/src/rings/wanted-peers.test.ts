import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createTopic } from '../topic.ts';
import { RingWorld } from './testing/ring-world.ts';

/** 60 peers, each on 8 of 24 topics. */
function manyTopics(): RingWorld {
  const world = new RingWorld(60);
  const topics = Array.from({ length: 24 }, (_, index) => createTopic(`topic ${index}`));
  const random = createSeededRandom(3);
  const readers = new Map(topics.map((topic) => [topic, [] as ReturnType<RingWorld['node']>[]]));
  for (const node of world.all) {
    for (const topic of random.shuffle(topics).slice(0, 8)) readers.get(topic)?.push(node);
  }
  for (const [topic, nodes] of readers) world.joinAll(topic, 4, nodes);
  world.run(30);
  return world;
}

describe('wanted peers', () => {
  const world = manyTopics();

  it('are the next of every ring first, then those after them, then shortcuts, each once', () => {
    for (const node of world.all) {
      const wanted = node.rings.wantedPeers();
      expect(new Set(wanted).size).toBe(wanted.length);
      const rank = (peer: PeerId | undefined) => wanted.indexOf(peer as PeerId);
      const shapes = node.rings.topics.flatMap((topic) => node.rings.view(topic).shapes);
      const next = new Set(shapes.flatMap((shape) => [shape.successors[0], shape.predecessors[0]]));
      const after = new Set(shapes.flatMap((shape) => [shape.successors[1], shape.predecessors[1]]));
      for (const peer of next) expect(rank(peer)).toBeLessThan(next.size);
      for (const peer of after) if (!next.has(peer)) expect(rank(peer)).toBeGreaterThanOrEqual(next.size);
    }
  });

  it('are no shortcuts beyond a few of each topic, unless they are connected', () => {
    const alone = new RingWorld(40);
    const topic = createTopic('one');
    alone.joinAll(topic, 4, alone.all);
    alone.run(60);
    for (const node of alone.all) {
      node.connections.clear();
      expect(node.rings.wantedPeers().length).toBeLessThanOrEqual(4 + 3);
      for (const other of alone.all) if (other !== node) node.connections.add(other.peer);
      expect(node.rings.wantedPeers().length).toBeGreaterThan(4 + 3);
    }
  });

  it('are fewer than the rings have neighbours, since one order holds in all topics', () => {
    let links = 0;
    for (const node of world.all) {
      const shapes = node.rings.topics.flatMap((topic) => node.rings.view(topic).shapes);
      links += new Set(shapes.flatMap((shape) => [shape.successors[0], shape.predecessors[0]])).size;
    }
    expect(links / 60).toBeLessThan(0.85 * 16);
  });
});
