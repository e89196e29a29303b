import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { NodeOutput } from '../overlay-node-types.ts';
import { World } from '../testing/node-world.ts';
import { createTopic } from '../topic.ts';
import { seekPeriods } from './seeking.ts';

const topics = Array.from({ length: 20 }, (_, index) => createTopic(`topic ${index}`));

/** The topics that are asked for, by the tags of their queries. */
function tagsOf(outputs: readonly NodeOutput[]): string[] {
  return outputs.flatMap((output) =>
    output.kind === 'send' && output.message.kind === 'join' ? [toHex(output.message.query.tag)] : [],
  );
}

describe('searches of a node', () => {
  it('begin one after another where it reads many topics, a few at once', () => {
    const world = new World(1);
    const node = world.add();
    for (let count = 0; count < 40; count += 1) world.connect(node, world.add());
    const asked = new Set(topics.flatMap((topic) => tagsOf(node.subscribe(topic, {}, world.nowMs))));
    expect(asked.size).toBe(seekPeriods.burst);
    const startMs = world.nowMs;
    const pacesMs = (topics.length - seekPeriods.burst) * seekPeriods.blindPaceMs;
    while (world.nowMs < startMs + pacesMs / 2) {
      world.nowMs += 50;
      for (const tag of tagsOf(node.wake(world.nowMs))) asked.add(tag);
    }
    expect(asked.size).toBeLessThan(topics.length);
    while (world.nowMs < startMs + pacesMs + 50) {
      world.nowMs += 50;
      for (const tag of tagsOf(node.wake(world.nowMs))) asked.add(tag);
    }
    expect(asked.size).toBe(topics.length);
  });

  it('begin at once where it reads few', () => {
    const world = new World(1);
    const node = world.add();
    for (let count = 0; count < 5; count += 1) world.connect(node, world.add());
    const few = topics.slice(0, seekPeriods.burst);
    expect(new Set(few.flatMap((topic) => tagsOf(node.subscribe(topic, {}, world.nowMs)))).size).toBe(few.length);
  });
});
