import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { RingMessage } from '../message.ts';
import { createTopic, epochAt, epochMs, type Topic } from '../topic.ts';
import { placeOf } from './place.ts';
import { ringParameters } from './ring-parameters.ts';
import { Rings } from './rings.ts';
import { createPeers, noonMs, type TestPeer } from './testing/peers.ts';
import { RingWorld, type WorldNode } from './testing/ring-world.ts';

const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const data = new TextEncoder().encode('a window');
const epochOf = (world: RingWorld) => epochAt(world.nowMs, epochMs.ring);

/** The share of true neighbours (r each side) that nodes have, in the order of `epoch`. */
function correctShare(nodes: readonly WorldNode[], topic: Topic, epoch: number): number {
  const placed = nodes.map((node) => ({ node, place: placeOf(node.descriptor.publicKey, epoch) }));
  const ordered = placed.sort((one, other) => (one.place < other.place ? -1 : 1)).map(({ node }) => node);
  let right = 0;
  for (const [index, node] of ordered.entries()) {
    const shape = node.rings.view(topic).shapes.find((one) => one.epoch === epoch);
    const at = (offset: number) => ordered[(index + offset + ordered.length) % ordered.length]?.peer;
    for (const step of [1, 2]) {
      if (shape?.successors[step - 1] === at(step)) right += 1;
      if (shape?.predecessors[step - 1] === at(-step)) right += 1;
    }
  }
  return right / (4 * nodes.length);
}

/** How many of the living others got the last event exactly once, and nobody twice. */
function reached(world: RingWorld, source: WorldNode): number {
  const others = world.live.filter((node) => node !== source);
  for (const node of others) expect(node.delivered.length).toBeLessThanOrEqual(1);
  return others.filter((node) => node.delivered.length === 1).length / others.length;
}

function publishAfresh(world: RingWorld, source = world.live[0] as WorldNode): number {
  for (const node of world.all) node.delivered.length = 0;
  world.publish(source, ward, data);
  world.run(2);
  return reached(world, source);
}

describe('rings of members that know a few random others', () => {
  for (const [count, known, seconds] of [
    [2, 1, 2],
    [3, 2, 2],
    [10, 3, 3],
    [100, 3, 4],
    [150, 4, 5],
  ] as const) {
    it(`find ${count === 2 ? 'each other' : 'all neighbours'} among ${count} within ${seconds} s`, () => {
      const world = new RingWorld(count);
      world.joinAll(ward, known);
      for (const node of world.all) {
        const other = world.all.find((one) => one !== node) as WorldNode; // there are two at least
        node.rings.addCandidates(ward, [other.descriptor], world.nowMs);
      }
      world.run(seconds);
      if (count > 4) expect(correctShare(world.all, ward, epochOf(world))).toBe(1);
      expect(publishAfresh(world)).toBe(1);
    });
  }

  it('form from one member that everybody knows', () => {
    const world = new RingWorld(60);
    world.joinAll(ward, 0);
    for (const node of world.all) node.rings.addCandidates(ward, [world.node(0).descriptor], world.nowMs);
    world.run(12);
    expect(correctShare(world.all, ward, epochOf(world))).toBe(1);
    expect(publishAfresh(world)).toBe(1);
  });

  it('form though a tenth of all messages is lost', () => {
    const world = new RingWorld(60, { loss: 0.1 });
    world.joinAll(ward, 4);
    world.run(40);
    expect(correctShare(world.all, ward, epochOf(world))).toBeGreaterThan(0.95);
  });

  it('say little once they are still: about one exchange every ten seconds and member', () => {
    const world = new RingWorld(50);
    world.joinAll(ward, 3);
    world.run(60);
    world.sent.clear();
    world.run(100);
    expect((world.sent.get('ring') ?? 0) / 50).toBeLessThan(40);
    expect((world.sent.get('ring') ?? 0) / 50).toBeGreaterThan(10);
  });

  it('keep bounded what they know, however many members there are', () => {
    const world = new RingWorld(120);
    world.joinAll(ward, 30);
    world.run(10);
    const { nearPerSide, shortcutsMax } = ringParameters;
    for (const node of world.all) {
      expect(node.rings.wantedPeers().length).toBeLessThanOrEqual(4 * nearPerSide + shortcutsMax);
      expect(node.rings.members(ward).length).toBeLessThanOrEqual(ringParameters.subscribersMax);
    }
  });
});

describe('rings when members go', () => {
  it('replace the dead at once with the next of their side, and all living get the next event', () => {
    const world = new RingWorld(100);
    world.joinAll(ward, 4);
    world.run(10);
    const dead = world.random.shuffle([...world.nodes.keys()]).slice(0, 20);
    world.crash(dead, true);
    expect(publishAfresh(world)).toBe(1);
    world.run(15);
    expect(correctShare(world.live, ward, epochOf(world))).toBe(1);
  });

  it('find out by themselves who is dead, and tell nobody of it any longer', () => {
    const world = new RingWorld(40);
    world.joinAll(ward, 3);
    world.run(10);
    const dead = [...world.nodes.keys()].slice(0, 8);
    world.crash(dead, false);
    world.run(120);
    expect(correctShare(world.live, ward, epochOf(world))).toBe(1);
    expect(publishAfresh(world)).toBe(1);
    world.run(7_200);
    for (const node of world.live) expect(node.rings.wantedPeers().filter((peer) => world.dead.has(peer))).toEqual([]);
  });

  it('let who leaves go at once, and say that it did', () => {
    const world = new RingWorld(30);
    world.joinAll(ward, 3);
    world.run(10);
    const leaver = world.node(5);
    world.act(leaver, leaver.rings.leave(ward, world.nowMs));
    world.run(1);
    const rest = world.all.filter((node) => node !== leaver);
    expect(correctShare(rest, ward, epochOf(world))).toBe(1);
    for (const node of rest) expect(node.rings.members(ward)).not.toContain(leaver.peer);
    const heard = rest.filter((node) =>
      node.subscriptions.some((one) => one.peer === leaver.peer && !one.isSubscribed),
    );
    expect(heard.length).toBeGreaterThan(4);
    expect(leaver.rings.members(ward)).toEqual([]);
    world.publish(world.node(0), ward, data);
    world.run(2);
    expect(leaver.delivered).toEqual([]);
  });

  it('take back who was lost and comes again, without anybody telling', () => {
    const world = new RingWorld(40);
    world.joinAll(ward, 3);
    world.run(10);
    const half = new Set([...world.nodes.keys()].slice(0, 20));
    world.intercept = (from, to, message) => (half.has(from) === half.has(to) ? message : null);
    world.run(90);
    expect(correctShare(world.all, ward, epochOf(world))).toBeLessThan(0.6);
    world.intercept = (_from, _to, message) => message;
    world.run(180);
    expect(correctShare(world.all, ward, epochOf(world))).toBe(1);
    expect(publishAfresh(world)).toBe(1);
  });
});

describe('rings at midnight', () => {
  it('turn over to the places of the new day without losing an event', () => {
    const midnightMs = Date.UTC(2026, 5, 2);
    const world = new RingWorld(40, { startMs: midnightMs - 6 * 60_000 });
    world.joinAll(ward, 4);
    world.run(30);
    const before = epochOf(world);
    expect(
      world
        .node(0)
        .rings.view(ward)
        .shapes.map((shape) => shape.epoch),
    ).toEqual([before]);
    world.run(40);
    expect(
      world
        .node(0)
        .rings.view(ward)
        .shapes.map((shape) => shape.epoch),
    ).toEqual([before, before + 1]);
    expect(correctShare(world.all, ward, before + 1)).toBe(1);
    while (world.nowMs < midnightMs + 90_000) {
      world.run(25);
      expect(publishAfresh(world, world.live[world.random.integer(40)])).toBe(1);
    }
    expect(
      world
        .node(0)
        .rings.view(ward)
        .shapes.map((shape) => shape.epoch),
    ).toEqual([before + 1]);
    expect(correctShare(world.all, ward, before + 1)).toBe(1);
  });
});

describe('rings of members whose clocks differ by up to five minutes', () => {
  it('turn over at midnight without an event lost, and nobody is taken for gone', () => {
    const midnightMs = Date.UTC(2026, 5, 2);
    const world = new RingWorld(20, { startMs: midnightMs - 12 * 60_000, skewMsMax: 150_000 });
    world.joinAll(ward, 6);
    world.run(60);
    while (world.nowMs < midnightMs + 12 * 60_000) {
      world.run(18);
      expect(publishAfresh(world, world.live[world.random.integer(20)])).toBe(1);
    }
    const gone = world.all.flatMap((node) => node.subscriptions.filter((one) => !one.isSubscribed));
    expect(gone).toEqual([]);
    for (const node of world.all) expect(node.rings.refusals.get('unknown-route')).toBeUndefined();
  });
});

describe('a topic with a secret', () => {
  it('tells nothing to, and takes nothing from, who does not know the secret', () => {
    const world = new RingWorld(20);
    const guess = createTopic('ward 3', new Uint8Array(32).fill(8));
    const open = createTopic('ward 3');
    const [outsider, other] = createPeers(2, world.random).map((peer) => world.addNode(peer));
    if (outsider === undefined || other === undefined) throw new Error('two were made');
    const members = world.all.slice(0, 20);
    world.joinAll(ward, 4, members);
    const descriptors = members.map((node) => node.descriptor);
    outsider.rings.join(guess, world.nowMs);
    outsider.rings.addCandidates(guess, descriptors, world.nowMs);
    other.rings.join(open, world.nowMs);
    other.rings.addCandidates(open, descriptors, world.nowMs);
    // Even a member that names the outsider to all does not get it in.
    for (const node of members) node.rings.addCandidates(ward, [outsider.descriptor], world.nowMs);
    const toOutsider: string[] = [];
    world.intercept = (_from, to, message) => {
      if (to === outsider.peer) {
        toOutsider.push(message.kind);
        if (message.kind === 'ring') expect(message.descriptors).toEqual([]);
      }
      return message;
    };
    world.run(30);
    expect(publishAfresh(world, members[0])).toBeCloseTo(19 / 21);
    expect(toOutsider.filter((kind) => kind !== 'ring')).toEqual([]);
    for (const node of members) {
      expect(node.rings.members(ward)).not.toContain(outsider.peer);
      expect(node.rings.wantedPeers()).not.toContain(outsider.peer);
    }
    expect(outsider.rings.members(guess)).toEqual([]);
    expect(outsider.delivered).toEqual([]);
  });

  it('refuses a proof that was made for somebody else', () => {
    const world = new RingWorld(3);
    const [thief, member, victim] = [world.node(0), world.node(1), world.node(2)];
    world.joinAll(ward, 0, [member, victim]);
    member.rings.addCandidates(ward, [thief.descriptor], world.nowMs);
    let stolen: RingMessage | undefined;
    world.intercept = (from, _to, message) => {
      if (from === member.peer && message.kind === 'ring') stolen = message;
      return message;
    };
    world.run(1);
    if (stolen === undefined) throw new Error('the member asks the candidate');
    world.inject(thief.peer, victim.peer, stolen);
    world.inject(thief.peer, victim.peer, { ...stolen, self: thief.descriptor });
    world.inject(thief.peer, member.peer, { ...stolen, self: thief.descriptor });
    world.inject(thief.peer, member.peer, { ...stolen, self: thief.descriptor, isReply: true });
    world.run(1);
    expect(victim.rings.members(ward)).toEqual([]);
    expect(member.rings.members(ward)).toEqual([]);
    expect(victim.rings.refusals.get('wrong-peer')).toBe(1);
    expect(victim.rings.refusals.get('wrong-proof')).toBe(1);
    expect(member.rings.refusals.get('wrong-proof')).toBeGreaterThan(0);
  });
});

describe('taking part', () => {
  it('is refused in a topic that is read already', () => {
    const world = new RingWorld(1);
    const { rings } = world.node(0);
    expect(rings.join(ward, world.nowMs)).toBe(true);
    expect(rings.join(ward, world.nowMs)).toBe(false);
    expect(rings.topics).toEqual([ward]);
  });

  it('announces who proved itself, once', () => {
    const world = new RingWorld(8);
    world.joinAll(ward, 3);
    world.run(60);
    for (const node of world.all) {
      expect(node.subscriptions.filter((one) => one.isSubscribed)).toHaveLength(7);
      expect(new Set(node.rings.members(ward)).size).toBe(7);
      expect(node.rings.view(ward).isComplete).toBe(true);
    }
  });

  it('is quiet where nobody else is known', () => {
    const world = new RingWorld(1);
    world.joinAll(ward, 0);
    world.run(100);
    expect(world.sent.size).toBe(0);
    expect(world.node(0).rings.dueAtMs).toBeGreaterThan(world.nowMs);
  });
});

describe('who reads many topics', () => {
  const [self, ...others] = createPeers(121, createSeededRandom(2), noonMs, ['/ip4/192.0.2.1/tcp/1']) as [
    TestPeer,
    ...TestPeer[],
  ];
  const topics = Array.from({ length: 20 }, (_, index) => createTopic(`topic ${index}`));
  const { perMinute, oneTopicPerMinute } = ringParameters.dials;

  /** Rings with 15 candidates a topic; whom they ask in a minute in which nobody answers, and at how many different times each. */
  function asked(
    of: readonly Topic[],
    connected: readonly TestPeer[],
    candidatesOf: (topic: Topic) => readonly TestPeer[],
  ) {
    const connections = new Set(connected.map(({ descriptor }) => descriptor.peer));
    const rings = new Rings({}, { random: createSeededRandom(3), self: () => self.descriptor, connections });
    for (const topic of of) {
      rings.join(topic, noonMs);
      const descriptors = candidatesOf(topic).map(({ descriptor }) => descriptor);
      rings.addCandidates(topic, descriptors, noonMs);
    }
    const counts = new Map<PeerId, number>();
    for (let nowMs = noonMs; nowMs < noonMs + 60_000; nowMs += 50) {
      const to = new Set(rings.wake(nowMs).flatMap((output) => (output.kind === 'send' ? [output.to] : [])));
      for (const peer of to) if (!connections.has(peer)) counts.set(peer, (counts.get(peer) ?? 0) + 1);
      for (const peer of to) if (connections.has(peer)) counts.set(peer, 0);
    }
    return counts;
  }

  const dials = (counts: ReadonlyMap<PeerId, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
  const random = createSeededRandom(4);
  const some = () => random.shuffle(others).slice(0, 15);

  it('dials for thirty questions at once and one each two seconds, in all rings', () => {
    const count = dials(asked(topics, [], some));
    expect(count).toBeGreaterThan(perMinute);
    expect(count).toBeLessThanOrEqual(2 * perMinute);
    expect(dials(asked(topics.slice(0, 4), [], some))).toBeGreaterThan(2 * perMinute);
  });

  it('leaves half of that to other rings where one is kept busy', () => {
    const count = dials(asked(topics, [], (topic) => (topic === topics[0] ? others : [])));
    expect(count).toBeGreaterThan(oneTopicPerMinute);
    expect(count).toBeLessThanOrEqual(2 * oneTopicPerMinute);
  });

  it('asks all who are connected, whoever would have to be dialled before them', () => {
    const linked = others.slice(0, 60);
    const candidates = new Map(topics.map((topic) => [topic, some()]));
    const counts = asked(topics, linked, (topic) => candidates.get(topic) ?? []);
    const offered = new Set([...candidates.values()].flat());
    for (const peer of linked) if (offered.has(peer)) expect(counts.has(peer.descriptor.peer)).toBe(true);
  });

  it('asks nobody who has neither a connection nor an address', () => {
    const nowhere = createPeers(20, createSeededRandom(5));
    expect(asked(topics, [], () => nowhere).size).toBe(0);
  });
});
