import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { readEventHead } from '../events/event.ts';
import type { EventMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { Dissemination } from './dissemination.ts';
import { placeOf } from './place.ts';
import { Refusals } from './refusals.ts';
import { ringParameters } from './ring-parameters.ts';
import { createPeers, noonMs, type TestPeer } from './testing/peers.ts';
import { TopicRing } from './topic-ring.ts';

const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const topic = createTopic('ward 3', new Uint8Array(32).fill(7));
const epoch = epochAt(noonMs, epochMs.ring);

interface StaticNode {
  readonly peer: TestPeer;
  readonly ring: TopicRing;
  readonly dissemination: Dissemination;
}

/** Rings as they stand when gossip has come to rest: the nearest on both sides, and 20 others at random. */
function createStaticRings(count: number, fanOut: number, random: Random): Map<PeerId, StaticNode> {
  const peers = createPeers(count, random);
  const ordered = peers
    .map((peer) => ({ peer, place: placeOf(peer.descriptor.publicKey, epoch) }))
    .sort((one, other) => (one.place < other.place ? -1 : 1))
    .map(({ peer }) => peer);
  const parameters = { ...ringParameters, fanOut: { small: fanOut, normal: fanOut, urgent: fanOut } };
  const dependencies = {
    random,
    refusals: new Refusals(),
    isConnected: () => false,
    mustValidate: () => false,
    carriers: () => [],
  };
  const nodes = new Map<PeerId, StaticNode>();
  ordered.forEach((peer, index) => {
    const ring = new TopicRing(peer.descriptor, parameters, { random });
    ring.setEpochs([epoch], noonMs);
    for (let step = 1; step <= ringParameters.nearPerSide; step += 1) {
      for (const other of [index + step, index - step]) {
        const neighbour = ordered[(other + count) % count] as TestPeer; // taken round the ring
        if (neighbour !== peer) ring.prove(neighbour.descriptor, noonMs);
      }
    }
    const { length } = [...ring.members.keys()];
    while (ring.members.size < Math.min(count - 1, length + ringParameters.shortcutsMax)) {
      const other = ordered[random.integer(count)] as TestPeer; // below count
      if (other !== peer) ring.prove(other.descriptor, noonMs);
    }
    nodes.set(peer.descriptor.peer, {
      peer,
      ring,
      dissemination: new Dissemination(parameters, 'StrictNoSign', dependencies),
    });
  });
  return nodes;
}

interface Spread {
  readonly hitRatio: number;
  readonly sendsPerDelivery: number;
  readonly meanHops: number;
  readonly maxHops: number;
}

/** One event from a random live node, hop by hop, each send lost with probability `loss`. */
function spread(
  nodes: ReadonlyMap<PeerId, StaticNode>,
  dead: ReadonlySet<PeerId>,
  loss: number,
  random: Random,
): Spread {
  const live = [...nodes.values()].filter((node) => !dead.has(node.peer.descriptor.peer));
  const source = live[random.integer(live.length)] as StaticNode; // below the length
  const content = { data: random.bytes(32), class: 'normal' } as const;
  const { outputs, bytes } = source.dissemination.publish({ topic, ring: source.ring }, content, noonMs);
  const head = readEventHead(bytes);
  if (head === null) throw new Error('an event has a head');
  let sends = 0;
  let hopSum = 0;
  let maxHops = 0;
  let delivered = 0;
  const queue: { from: PeerId; output: NodeOutput }[] = [];
  const enqueue = (from: PeerId, outputs: readonly NodeOutput[]) => {
    for (const output of outputs) queue.push({ from, output });
  };
  enqueue(source.peer.descriptor.peer, outputs);
  for (let next = 0; next < queue.length; next += 1) {
    const { from, output } = queue[next] as (typeof queue)[number]; // within the length
    if (output.kind === 'deliver') {
      delivered += 1;
      hopSum += output.event.hops;
      maxHops = Math.max(maxHops, output.event.hops);
    }
    if (output.kind !== 'send') continue;
    sends += 1;
    const target = nodes.get(output.to);
    if (target === undefined || dead.has(output.to) || random.float() < loss) continue;
    const message = output.message as EventMessage; // small events are sent whole
    const subscription = { topic, ring: target.ring };
    enqueue(output.to, target.dissemination.onEvent(from, message, head, subscription, noonMs));
  }
  return {
    hitRatio: (delivered + 1) / live.length,
    sendsPerDelivery: sends / delivered,
    meanHops: hopSum / delivered,
    maxHops,
  };
}

function average(spreads: readonly Spread[]): Spread {
  const mean = (of: (one: Spread) => number) => spreads.reduce((sum, one) => sum + of(one), 0) / spreads.length;
  return {
    hitRatio: mean((one) => one.hitRatio),
    sendsPerDelivery: mean((one) => one.sendsPerDelivery),
    meanHops: mean((one) => one.meanHops),
    maxHops: mean((one) => one.maxHops),
  };
}

interface Trial {
  readonly count: number;
  readonly fanOut: number;
  readonly events: number;
  readonly crashed?: { readonly share: number; readonly isDetected: boolean };
  readonly loss?: number;
}

function measure({ count, fanOut, events, crashed, loss = 0 }: Trial): Spread {
  const random = createSeededRandom(count * 10 + fanOut);
  const nodes = createStaticRings(count, fanOut, random);
  const dead = new Set(random.shuffle([...nodes.keys()]).slice(0, Math.round(count * (crashed?.share ?? 0))));
  if (crashed?.isDetected) {
    for (const { ring } of nodes.values()) for (const peer of dead) ring.remove(peer, noonMs, 'lost');
  }
  const spreads = Array.from({ length: events }, () => spread(nodes, dead, loss, random));
  const result = average(spreads);
  if (isFull) process.stdout.write(`${JSON.stringify({ count, fanOut, crashed, loss, ...result })}\n`);
  return result;
}

describe('an event on rings at rest', () => {
  const sizes = isFull ? [100, 1_000, 10_000] : [100, 1_000];
  for (const count of sizes) {
    for (const fanOut of [2, 3, 5]) {
      it(`reaches each of ${count} subscribers with ${fanOut} sends a delivery`, () => {
        const result = measure({ count, fanOut, events: isFull ? 20 : 3 });
        expect(result.hitRatio).toBe(1);
        expect(result.sendsPerDelivery).toBeGreaterThan(fanOut * 0.99);
        expect(result.sendsPerDelivery).toBeLessThan(fanOut + 0.1);
      });
    }
  }

  it('takes at most 10 hops to reach 1,000 with a fan-out of 3', () => {
    expect(measure({ count: 1_000, fanOut: 3, events: isFull ? 20 : 5 }).maxHops).toBeLessThanOrEqual(10);
  });

  const events = isFull ? 50 : 10;
  for (const [fanOut, ratio] of [
    [2, 0.99],
    [3, 0.999],
    [5, 0.999],
  ] as const) {
    it(`reaches ${ratio} of the living when a fifth crashed and was detected, with a fan-out of ${fanOut}`, () => {
      const crashed = { share: 0.2, isDetected: true };
      expect(measure({ count: 1_000, fanOut, events, crashed }).hitRatio).toBeGreaterThanOrEqual(ratio);
    });
  }

  for (const [fanOut, ratio] of [
    [2, 0.7],
    [3, 0.96],
    [5, 0.99],
  ] as const) {
    it(`reaches ${ratio} of the living when a fifth crashed unnoticed, with a fan-out of ${fanOut}`, () => {
      const crashed = { share: 0.2, isDetected: false };
      expect(measure({ count: 1_000, fanOut, events, crashed }).hitRatio).toBeGreaterThanOrEqual(ratio);
    });
  }

  for (const [fanOut, ratio] of [
    [2, 0.99],
    [3, 0.998],
    [5, 0.999],
  ] as const) {
    it(`reaches ${ratio} where each send is lost with 5 % and nothing sent again, with a fan-out of ${fanOut}`, () => {
      expect(measure({ count: 1_000, fanOut, events, loss: 0.05 }).hitRatio).toBeGreaterThanOrEqual(ratio);
    });
  }
});
