import { describe, expect, it } from 'vitest';
import { createTopic, type Topic } from '../topic.ts';
import { ringParameters } from './ring-parameters.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';

const topics = Array.from({ length: 10 }, (_, index) => createTopic(`ward ${index}`, new Uint8Array(32).fill(index)));

/** Ring messages a minute and node, from now on. */
function messagesPerMinute(world: RingWorld, minutes: number): number {
  world.sent.clear();
  world.run(60 * minutes);
  return (world.sent.get('ring') ?? 0) / world.nodes.size / minutes;
}

function formed(count: number, topicCount: number): RingWorld {
  const world = new RingWorld(count);
  for (const topic of topics.slice(0, topicCount)) world.joinAll(topic, 3);
  world.run(600);
  return world;
}

function disconnectAll(world: RingWorld, why: 'closed' | 'lost'): void {
  for (const node of world.all) {
    for (const peer of [...node.connections]) {
      node.connections.delete(peer);
      node.rings.disconnected(peer, world.nowMs, why);
    }
  }
}

describe('rings in which nothing happens', () => {
  it('fall silent: a question each two minutes, and its answer', () => {
    expect(messagesPerMinute(formed(12, 1), 20)).toBeLessThan(2);
  });

  it('ask around for a minute and a half where nothing came yet, and no longer once something did', () => {
    const world = new RingWorld(12);
    const [topic] = topics as [Topic];
    world.joinAll(topic, 3);
    world.run(20);
    expect(messagesPerMinute(world, 1)).toBeGreaterThan(2 * (60_000 / ringParameters.unfedPeriodMs));
    const fed = new RingWorld(12);
    fed.joinAll(topic, 3);
    fed.run(20);
    fed.publish(fed.all[0] as WorldNode, topic, Uint8Array.of(1));
    fed.run(40);
    expect(messagesPerMinute(fed, 10)).toBeLessThan(3);
  });

  it('ask nobody whose connection an end let go for want of room', () => {
    const world = formed(12, 1);
    disconnectAll(world, 'closed');
    expect(messagesPerMinute(world, 1)).toBeLessThan(3);
  });

  it('ask neighbours whose connection broke', () => {
    const world = formed(12, 1);
    disconnectAll(world, 'lost');
    expect(messagesPerMinute(world, 1)).toBeGreaterThan(4);
  });

  it('speak with a peer of all topics shared with it while it is connected', () => {
    const world = formed(8, topics.length);
    let opened = 0;
    const before = new Map<WorldNode, number>(world.all.map((node) => [node, 0]));
    // Connections are let go at once, as under a budget: each exchange opens one.
    for (let step = 0; step < 1_200; step += 1) {
      disconnectAll(world, 'closed');
      world.run(1);
      for (const node of before.keys()) opened += node.connections.size / 2;
    }
    const asked = (world.sent.get('ring') ?? 0) / 2;
    expect(asked / opened).toBeGreaterThan(2);
  });

  it('of many topics come about with fewer questions each, and are as right', () => {
    const begun = (topicCount: number) => {
      const world = new RingWorld(24);
      const read = topics.slice(0, topicCount);
      for (const topic of read) world.joinAll(topic, 3);
      world.run(20);
      const isComplete = world.all.every((node) => read.every((topic) => node.rings.view(topic).isComplete));
      return { questions: (world.sent.get('ring') ?? 0) / 24 / topicCount, isComplete };
    };
    const [one, ten] = [begun(1), begun(10)];
    expect([one.isComplete, ten.isComplete]).toEqual([true, true]);
    expect(ten.questions).toBeLessThan(0.8 * one.questions);
  });

  it('tell who is connected what it missed, though they hardly speak', () => {
    const world = formed(12, 1);
    const [source, unlucky] = [world.node(0), world.node(5)];
    world.intercept = (_from, to, message) => (message.kind === 'event' && to === unlucky.peer ? null : message);
    world.publish(source, topics[0] as Topic, new Uint8Array(100));
    world.run(1);
    world.intercept = (_from, _to, message) => message;
    expect(unlucky.delivered).toHaveLength(0);
    world.run(25);
    expect(unlucky.delivered).toHaveLength(1);
  });
});
