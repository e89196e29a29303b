import { createSeededRandom, type Random } from '@pulsemesh/base';
import type { OverlayNode } from '@pulsemesh/overlay/protocol';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../fleet/identity.ts';
import { OverlayRun } from '../fleet/run-overlay.ts';
import type { SimulatedNode } from '../network/node.ts';
import type { Workload } from '../workload/workload.ts';
import { Forger } from './forger.ts';
import { Replayer } from './replayer.ts';
import { grindKeys, ringPlace } from './ring-takeover.ts';

const workload: Workload = {
  nodes: 10,
  topics: 1,
  topicsPerNode: 1,
  publishers: 4,
  messagesPerSecond: 3,
  payloadBytes: 100,
  warmUpSeconds: 25,
  publishSeconds: 8,
  coolDownSeconds: 12,
  linksMax: 16,
};

/** Plays a workload on an open topic with four attackers of one kind that take part from the beginning. */
function playAgainst(make: (inner: OverlayNode, identity: Identity, random: Random) => SimulatedNode) {
  const worn: OverlayNode[] = [];
  const run = new OverlayRun(workload, {
    seed: 3,
    latency: 'uniform',
    promise: { withinMs: 10_000, ratioMin: 1, settledMs: 0 },
    sybils: () => ({
      worn,
      upAtMs: 0,
      options: {
        count: 4,
        areSeeds: true,
        make: (fleet, identity, random) => {
          const inner = fleet.createNode(identity);
          worn.push(inner);
          return make(inner, identity, random);
        },
      },
    }),
  });
  const result = run.play();
  const refused = new Map<string, number>();
  for (const { node } of run.fleet.members) {
    for (const [kind, count] of node.refusals) refused.set(kind, (refused.get(kind) ?? 0) + count);
  }
  return { run, result, refused };
}

describe('attackers', () => {
  it('that say again what they were told give nothing twice', () => {
    const { result, refused } = playAgainst((inner, _identity, random) => new Replayer(inner, { everyMs: 50 }, random));
    expect(result.violations).toEqual([]);
    expect([...refused.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
  });

  it('that forge descriptors are not believed', () => {
    const { run, result } = playAgainst((inner, _identity, random) => new Forger(inner, random));
    expect(result.violations).toEqual([]);
    const known = run.fleet.members.flatMap(({ node }) => [...node.view, ...node.near]);
    expect(known.length).toBeGreaterThan(0);
    for (const { addresses, version } of known) {
      expect(addresses).not.toContain('/ip4/203.0.113.66/tcp/666');
      expect(version).toBeLessThan(Number.MAX_SAFE_INTEGER);
    }
  });

  it('can grind keys that stand nearer to a victim than chance has it, on both sides, for one epoch only', () => {
    const random = createSeededRandom(1);
    const publicKey = random.bytes(32);
    const ground = grindKeys({ publicKey, epoch: 20_000 }, { tries: 400, count: 2 }, random);
    expect(ground).toHaveLength(4);
    const distance = (index: number, epoch: number) => {
      const away = BigInt.asIntN(
        64,
        ringPlace(ground[index]?.publicKey ?? publicKey, epoch) - ringPlace(publicKey, epoch),
      );
      return Number(away) / 2 ** 64;
    };
    expect(distance(0, 20_000)).toBeGreaterThan(0);
    expect(distance(0, 20_000)).toBeLessThan(0.02);
    expect(distance(2, 20_000)).toBeLessThan(0);
    expect(distance(2, 20_000)).toBeGreaterThan(-0.02);
    const nextDay = [0, 1, 2, 3].map((index) => Math.abs(distance(index, 20_001)));
    expect(Math.max(...nextDay)).toBeGreaterThan(0.05);
  });
});
