import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { type EventHead, readEventHead } from '../events/event.ts';
import type { EventMessage } from '../message.ts';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { Dissemination } from './dissemination.ts';
import { placeOf } from './place.ts';
import { Refusals } from './refusals.ts';
import { ringParameters } from './ring-parameters.ts';
import { createPeers, noonMs } from './testing/peers.ts';
import { TopicRing } from './topic-ring.ts';

const isFull = process.env['PULSEMESH_TABLES'] === 'full';
const topic = createTopic('ward 3', new Uint8Array(32).fill(7));
const epoch = epochAt(noonMs, epochMs.ring);

interface StaticNode {
  readonly peer: PeerId;
  readonly ring: TopicRing;
}

/** Rings as they stand when gossip has come to rest: the nearest on both sides, and 20 others at random. */
function createStaticRings(count: number): StaticNode[] {
  const random = createSeededRandom(count);
  const ordered = createPeers(count, random)
    .map(({ descriptor }) => ({ descriptor, place: placeOf(descriptor.publicKey, epoch) }))
    .sort((one, other) => (one.place < other.place ? -1 : 1))
    .map(({ descriptor }) => descriptor);
  return ordered.map((descriptor, index) => {
    const ring = new TopicRing(descriptor, ringParameters, { random });
    ring.setEpochs([epoch], noonMs);
    for (let step = 1; step <= ringParameters.nearPerSide; step += 1) {
      for (const other of [index + step, index - step]) {
        ring.prove(ordered[(other + count) % count] as Descriptor, noonMs); // taken round the ring
      }
    }
    const size = Math.min(count - 1, ring.members.size + ringParameters.shortcutsMax);
    while (ring.members.size < size) {
      const other = ordered[random.integer(count)] as Descriptor; // below count
      if (other !== descriptor) ring.prove(other, noonMs);
    }
    return { peer: descriptor.peer, ring };
  });
}

const staticRings = new Map<string, StaticNode[]>();

/** Made once for all rows of the table; a fifth of them crashed where `crashed` says so, in rings of their own if noticed. */
function ringsOf(count: number, isDetected: boolean, dead: (nodes: readonly StaticNode[]) => ReadonlySet<PeerId>) {
  const key = `${count} ${isDetected}`;
  let nodes = staticRings.get(key);
  if (nodes === undefined) {
    nodes = createStaticRings(count);
    staticRings.set(key, nodes);
    if (isDetected) {
      for (const peer of dead(nodes))
        for (const { ring } of nodes) if (ring.isProven(peer)) ring.remove(peer, noonMs, 'lost');
    }
  }
  return nodes;
}

interface Spread {
  readonly hitRatio: number;
  readonly sendsPerDelivery: number;
  readonly meanHops: number;
  readonly maxHops: number;
}

interface Conditions {
  readonly fanOut: number;
  readonly dead: ReadonlySet<PeerId>;
  readonly loss: number;
}

interface LiveNode {
  readonly ring: TopicRing;
  readonly dissemination: Dissemination;
}

/** One event from a random live node, hop by hop, each send lost with probability `loss`. */
function spread(rings: readonly StaticNode[], { fanOut, dead, loss }: Conditions, random: Random): Spread {
  const parameters = { ...ringParameters, fanOut: { small: fanOut, normal: fanOut, urgent: fanOut } };
  const nodes = new Map<PeerId, LiveNode>();
  for (const { peer, ring } of rings) {
    if (dead.has(peer)) continue;
    const dissemination = new Dissemination(parameters, 'StrictNoSign', { ...dependencies, random });
    nodes.set(peer, { ring, dissemination });
  }
  const source = [...nodes.keys()][random.integer(nodes.size)] as PeerId; // below the size
  const { ring, dissemination } = nodes.get(source) as LiveNode; // one of its keys
  const published = dissemination.publish({ topic, ring }, { data: random.bytes(32), class: 'normal' }, noonMs);
  const head = readEventHead(published.bytes) as EventHead; // made here
  const queue = published.outputs.map((output) => ({ from: source, output }));
  let [sends, delivered, hopSum, maxHops] = [0, 0, 0, 0];
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
    if (target === undefined || random.float() < loss) continue;
    const message = output.message as EventMessage; // small events are sent whole
    const outputs = target.dissemination.onEvent(from, message, head, { topic, ring: target.ring }, noonMs);
    for (const one of outputs) queue.push({ from: output.to, output: one });
  }
  const sendsPerDelivery = sends / Math.max(1, delivered);
  return {
    hitRatio: (delivered + 1) / nodes.size,
    sendsPerDelivery,
    meanHops: hopSum / Math.max(1, delivered),
    maxHops,
  };
}

const dependencies = {
  refusals: new Refusals(),
  isConnected: () => false,
  mustValidate: () => false,
  carriers: () => [],
};

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
  const deadOf = (nodes: readonly StaticNode[]) => {
    const peers = createSeededRandom(count).shuffle(nodes.map((node) => node.peer));
    return new Set(peers.slice(0, Math.round(count * (crashed?.share ?? 0))));
  };
  const nodes = ringsOf(count, crashed?.isDetected === true, deadOf);
  const conditions = { fanOut, dead: deadOf(nodes), loss };
  const result = average(Array.from({ length: events }, () => spread(nodes, conditions, random)));
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
