import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { isOneRing, startNetwork, World, worldStartMs } from '../testing/node-world.ts';
import { createTopic, type Topic } from '../topic.ts';
import { outletLimits } from './outlets.ts';
import { overlayNodeLimits } from './overlay-node.ts';
import { ownDescriptorPeriods } from './own-descriptor.ts';

const topic = createTopic('ward 7');
const secret = new Uint8Array(32).fill(9);

function publish(world: World, from: World['nodes'] extends Map<unknown, infer N> ? N : never, to: Topic, byte = 1) {
  const published = from.publish(to, Uint8Array.of(byte), { class: 'normal' }, world.nowMs);
  world.do(from, published.outputs);
  return published;
}

describe('a node of the overlay', () => {
  it.each([2, 10, 60])('forms one ring of %i members within seconds, and everybody gets an event once', (count) => {
    const { world, nodes, first } = startNetwork(count, count, topic);
    expect(world.run(10_000, () => isOneRing(nodes, topic))).toBe(true);
    const { recipients } = publish(world, first, topic);
    expect(recipients.length).toBeGreaterThan(0);
    world.run(3_000);
    for (const node of nodes) {
      const events = world.eventsOf(node);
      expect(events.map(({ data }) => [...data])).toEqual(node === first ? [] : [[1]]);
      if (node !== first) expect(events[0]?.author?.peer).toBe(first.self);
    }
  });

  it('gives an event to those who come within seconds after it was published', () => {
    const world = new World(3);
    const [one, other] = [world.add(), world.add()];
    world.do(one, one.subscribe(topic, {}, world.nowMs));
    expect(publish(world, one, topic).recipients).toEqual([]);
    world.do(other, other.subscribe(topic, {}, world.nowMs));
    world.run(2_000);
    world.connect(one, other);
    expect(world.run(10_000, () => world.eventsOf(other).length === 1)).toBe(true);
  });

  it('says who reads a topic, and who left it', () => {
    const { world, nodes, first } = startNetwork(3, 8, topic);
    expect(world.run(10_000, () => first.subscribersOf(topic).length === 2)).toBe(true);
    world.run(1_000);
    const leaver = nodes[2] as (typeof nodes)[number];
    world.do(leaver, leaver.unsubscribe(topic, world.nowMs));
    expect(world.run(1_000, () => first.subscribersOf(topic).length === 1)).toBe(true);
    expect(leaver.subscribersOf(topic)).toEqual([]);
    const last = world.changes.filter(({ peer }) => peer === leaver.self).at(-1);
    expect(last?.isSubscribed).toBe(false);
  });

  it('closes the ring around members that crashed', () => {
    const { world, nodes } = startNetwork(20, 5, topic);
    expect(world.run(10_000, () => isOneRing(nodes, topic))).toBe(true);
    for (const node of nodes.slice(15)) world.crash(node);
    const alive = nodes.slice(0, 15);
    expect(world.run(60_000, () => isOneRing(alive, topic))).toBe(true);
  });

  it('keeps a private topic to those who know its secret', () => {
    const world = new World(11);
    const [member, other, outsider] = [world.add(), world.add(), world.add()];
    const hidden = createTopic('ward 7', secret);
    for (const [node, joined] of [
      [member, hidden],
      [other, hidden],
      [outsider, topic],
    ] as const) {
      world.do(node, node.subscribe(joined, {}, world.nowMs));
    }
    world.connect(member, outsider);
    world.connect(outsider, other);
    expect(world.run(10_000, () => member.subscribersOf(hidden).length === 1)).toBe(true);
    publish(world, member, hidden);
    publish(world, outsider, topic);
    world.run(3_000);
    expect(world.eventsOf(other)).toHaveLength(1);
    expect(world.eventsOf(outsider)).toEqual([]);
    expect(member.subscribersOf(hidden)).toEqual([other.self]);
    expect(outsider.subscribersOf(topic)).toEqual([]);
  });

  it('tells nothing of a sensitive topic in filter or query, and finds its members all the same', () => {
    const world = new World(12);
    const nodes = [world.add(), world.add(), world.add()];
    const hidden = createTopic('ward 9', secret);
    for (const node of nodes) {
      world.do(node, node.subscribe(hidden, { sensitive: true }, world.nowMs));
      if (node !== nodes[0]) world.connect(nodes[0] as typeof node, node);
    }
    expect(world.run(20_000, () => isOneRing(nodes, hidden))).toBe(true);
    for (const { message } of world.log) if (message.kind === 'join') expect(message.query.hint).toEqual([]);
    for (const node of nodes) expect(node.descriptor.interestDigest).toBeUndefined();
  });

  it('publishes to a topic it does not read, by way of members that it looks for', () => {
    const { world, nodes } = startNetwork(6, 21, topic);
    world.run(5_000);
    const guest = world.add();
    world.connect(guest, nodes[0] as (typeof nodes)[number]);
    expect(publish(world, guest, topic).recipients).toEqual([]);
    expect(world.run(10_000, () => nodes.every((node) => world.eventsOf(node).length === 1))).toBe(true);
    expect(guest.knowsSubscribers(topic)).toBe(true);
    expect(publish(world, guest, topic).recipients.length).toBeGreaterThan(0);
    expect(world.run(10_000, () => nodes.every((node) => world.eventsOf(node).length === 2))).toBe(true);
    world.run(outletLimits.idleMs + 1_000);
    expect(guest.knowsSubscribers(topic)).toBe(false);
  });

  it('takes part without an address, over connections it made itself, and tells nobody of itself', () => {
    const { world, nodes } = startNetwork(8, 31, topic);
    world.run(5_000);
    const client = world.add({ addresses: [] });
    world.do(client, client.subscribe(topic, {}, world.nowMs));
    world.connect(client, nodes[0] as (typeof nodes)[number]);
    expect(world.run(20_000, () => client.subscribersOf(topic).length >= 2)).toBe(true);
    publish(world, client, topic);
    publish(world, nodes[4] as (typeof nodes)[number], topic, 2);
    expect(world.run(20_000, () => world.eventsOf(client).length === 1)).toBe(true);
    expect(world.run(20_000, () => nodes.every((node) => world.eventsOf(node).length >= 1))).toBe(true);
    expect(client.descriptor.addresses).toEqual([]);
  });

  it('a client that vanished is no member any more, nobody is told of one, and neither keeps a ring busy', () => {
    const { world, nodes } = startNetwork(6, 32, topic);
    const client = world.add({ addresses: [] });
    world.do(client, client.subscribe(topic, {}, world.nowMs));
    for (const node of nodes.slice(0, 3)) world.connect(client, node);
    expect(
      world.run(20_000, () => nodes.slice(0, 3).every((node) => node.subscribersOf(topic).includes(client.self))),
    ).toBe(true);
    world.run(60_000);
    const told = world.log.flatMap(({ message }) => (message.kind === 'ring' ? message.descriptors : []));
    expect(told.some(({ peer }) => peer === client.self)).toBe(false);
    world.crash(client);
    const isNamed = (node: (typeof nodes)[number]) =>
      node.subscribersOf(topic).includes(client.self) ||
      node
        .ring(topic)
        .shapes.some(({ successors, predecessors }) => [...successors, ...predecessors].includes(client.self));
    expect(world.run(10_000, () => !nodes.some(isNamed))).toBe(true);
    world.run(60_000);
    world.sent.clear();
    world.run(240_000);
    expect((world.sent.get('ring') ?? 0) / nodes.length).toBeLessThan(30);
  });

  it('costs little where nobody else reads a topic', () => {
    const world = new World(41);
    const nodes = Array.from({ length: 10 }, () => world.add());
    const [lonely, ...others] = nodes as [(typeof nodes)[number], ...typeof nodes];
    for (const other of others) world.connect(lonely, other);
    world.do(lonely, lonely.subscribe(topic, {}, world.nowMs));
    world.run(60_000);
    world.sent.clear();
    world.run(600_000);
    expect(world.sent.get('join') ?? 0).toBeLessThan(220); // its own that come round go on, as anybody’s
    expect(world.sent.get('ring') ?? 0).toBe(0);
  });

  it('wants no more links than it may, ring neighbours of every topic first', () => {
    const topics = Array.from({ length: 4 }, (_, index) => createTopic(`topic ${index}`));
    const world = new World(51);
    const nodes = Array.from({ length: 20 }, () => world.add({ linksMax: 12 }));
    for (const node of nodes) {
      for (const one of topics) world.do(node, node.subscribe(one, {}, world.nowMs));
      if (node !== nodes[0]) world.connect(nodes[0] as typeof node, node);
    }
    world.run(5_000);
    for (const node of nodes) {
      const wanted = node.wantedLinks();
      expect(wanted.length).toBeLessThanOrEqual(12 - overlayNodeLimits.gossipLinks);
      const next = topics.flatMap((one) => node.ring(one).shapes.map(({ successors }) => successors[0]));
      for (const peer of new Set(next.slice(0, 1))) expect(wanted).toContain(peer);
    }
  });

  it('renews what it says of itself when its addresses change, and before it runs out', () => {
    const world = new World(61);
    const node = world.add();
    const before = node.descriptor;
    node.setAddresses(['/ip4/192.0.2.9/tcp/1'], world.nowMs);
    expect(node.descriptor.addresses).toEqual(['/ip4/192.0.2.9/tcp/1']);
    expect(node.descriptor.version).toBeGreaterThan(before.version);
    const laterMs = worldStartMs + 2 * ownDescriptorPeriods.renewMs;
    node.wake(laterMs);
    expect(node.descriptor.expiresAtSeconds * 1_000).toBeGreaterThan(laterMs + ownDescriptorPeriods.renewMs);
  });

  it('keeps the same filter over a restart, and shows one only when it has something to show', () => {
    const world = new World(62);
    const deviceSecret = new Uint8Array(32).fill(3);
    const node = world.add({ deviceSecret });
    world.do(node, node.subscribe(topic, {}, world.nowMs));
    expect(node.descriptor.interestDigest).toBeUndefined();
    world.run(10_000);
    const digest = node.descriptor.interestDigest;
    expect(digest).toBeDefined();
    const again = world.add({ deviceSecret, interestState: node.interestState() });
    world.do(again, again.subscribe(topic, {}, world.nowMs));
    world.run(10_000);
    expect(again.descriptor.interestDigest).toEqual(digest);
  });

  it('counts and ignores what comes too fast, and from itself', () => {
    const world = new World(71);
    const [node, flooder] = [world.add(), world.add()];
    const probe: Message = { kind: 'probe', nonce: 1, isReply: false };
    for (let count = 0; count < overlayNodeLimits.messagesPerMinute + 5; count += 1) {
      node.receive(flooder.self, probe, world.nowMs);
    }
    expect(node.refusals.get('too-often')).toBe(5);
    expect(node.receive(node.self, probe, world.nowMs)).toEqual([]);
    expect(node.refusals.get('own')).toBe(1);
  });

  it('lives through anything a peer may send', () => {
    const { world, nodes } = startNetwork(3, 81, topic);
    world.run(3_000);
    const [victim, attacker] = nodes as [(typeof nodes)[number], (typeof nodes)[number]];
    const random = createSeededRandom(7);
    const seen = world.log.map(({ message }) => message);
    const bytes = (length: number) => random.bytes(random.integer(2) === 0 ? length : random.integer(2 * length));
    const messages = fc.constantFrom(...seen.slice(-500)).map((message) => twist(message, bytes, random.integer));
    fc.assert(
      fc.property(messages, fc.nat(120_000), (message, laterMs) => {
        victim.receive(attacker.self, message, world.nowMs + laterMs);
        victim.wake(world.nowMs + laterMs);
      }),
      { numRuns: 2_000 },
    );
    expect(victim.view.length).toBeLessThanOrEqual(20);
    expect([...victim.refusals.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  });
});

/** A message that was really sent, with some of its fields replaced by nonsense of the right type. */
function twist(message: Message, bytes: (length: number) => Uint8Array, integer: (below: number) => number): Message {
  const entries = Object.entries(message).map(([key, value]) => {
    if (key === 'kind' || integer(3) > 0) return [key, value];
    if (value instanceof Uint8Array) return [key, bytes(value.length)];
    if (typeof value === 'number') return [key, integer(2 ** 32)];
    if (typeof value === 'boolean') return [key, !value];
    if (Array.isArray(value))
      return [key, value[0] instanceof Uint8Array ? [bytes(32), ...value] : [...value, ...value]];
    return [key, value];
  });
  return Object.fromEntries(entries) as Message; // fields keep their types
}
