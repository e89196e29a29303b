import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { OverlayNode } from '../node/overlay-node.ts';
import { World } from '../testing/node-world.ts';
import { createTopic } from '../topic.ts';
import { bridgeLimits, type Links } from './bridge-duty.ts';

const topic = createTopic('ward 7');

/** `count` members of a ward without any other network, as many elsewhere, and bridges that are on both sides. */
function startTwoSides(
  seed: number,
  options: { readonly count: number; readonly bridges: number; readonly hasDuty: boolean },
) {
  const { count, bridges, hasDuty } = options;
  const world = new World(seed);
  const ward = new Set<PeerId>();
  const both = new Set<PeerId>();
  const links: Links = {
    linkOf: (peer) => (ward.has(peer) || both.has(peer) ? 'eth0' : undefined),
    beyond: () => [...both],
  };
  const add = () => world.add({}, hasDuty ? { links } : {});
  const inside = Array.from({ length: count }, add);
  const outside = Array.from({ length: count }, add);
  const between = Array.from({ length: bridges }, add);
  for (const { self } of inside) ward.add(self);
  for (const { self } of between) both.add(self);
  world.reaches = (from, to) => both.has(from) || both.has(to) || ward.has(from) === ward.has(to);
  const [first] = between as [OverlayNode];
  const nodes = [...inside, ...outside, ...between];
  for (const node of nodes) world.do(node, node.subscribe(topic, {}, world.nowMs));
  for (const node of nodes) if (node !== first) world.connect(first, node);
  return { world, inside, outside, between, nodes };
}

type Sides = ReturnType<typeof startTwoSides>;

function publish({ world }: Sides, from: OverlayNode, byte: number): void {
  world.do(from, from.publish(topic, Uint8Array.of(byte), { class: 'normal' }, world.nowMs).outputs);
}

/** Who has an event within so many milliseconds. */
function readers({ world, nodes }: Sides, byte: number, withinMs: number): OverlayNode[] {
  world.run(withinMs);
  return nodes.filter((node) => world.eventsOf(node).some(({ data }) => data[0] === byte));
}

describe('a bridge between a local network and the rest', () => {
  it.each([1, 2, 3, 4, 5])('brings events to all on both sides, each once, alone (%i)', (seed) => {
    const sides = startTwoSides(seed, { count: 12, bridges: 1, hasDuty: true });
    sides.world.run(15_000);
    const [within] = sides.inside as [OverlayNode];
    const [without] = sides.outside as [OverlayNode];
    publish(sides, within, 1);
    expect(readers(sides, 1, 1_000)).toHaveLength(sides.nodes.length - 1);
    publish(sides, without, 2);
    expect(readers(sides, 2, 1_000)).toHaveLength(sides.nodes.length - 1);
    for (const node of sides.nodes) {
      expect(new Set(sides.world.eventsOf(node).map(({ data }) => data[0])).size).toBe(
        sides.world.eventsOf(node).length,
      );
    }
  });

  it('does so by the rings alone too, but only when neighbours next tell each other what they have', () => {
    const sides = startTwoSides(2, { count: 12, bridges: 1, hasDuty: false });
    sides.world.run(15_000);
    publish(sides, sides.inside[0] as OverlayNode, 1);
    expect(readers(sides, 1, 60_000)).toHaveLength(sides.nodes.length - 1);
  });

  it('of several is the one with the lowest id; another takes its place after a second', () => {
    const sides = startTwoSides(3, { count: 6, bridges: 3, hasDuty: true });
    sides.world.run(15_000);
    publish(sides, sides.inside[0] as OverlayNode, 1);
    expect(readers(sides, 1, 3_000)).toHaveLength(sides.nodes.length - 1);
    const [lowest] = sides.between.toSorted((one, other) => (one.self < other.self ? -1 : 1)) as [OverlayNode];
    sides.world.crash(lowest);
    sides.nodes.splice(sides.nodes.indexOf(lowest), 1);
    publish(sides, sides.inside[0] as OverlayNode, 2);
    expect(readers(sides, 2, bridgeLimits.waitMs + 3_000)).toHaveLength(sides.nodes.length - 1);
  });
});
