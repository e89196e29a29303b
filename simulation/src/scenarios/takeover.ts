import { epochAt, epochMs, type OverlayNode } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import { grindKeys } from '../behaviours/ring-takeover.ts';
import { Silent } from '../behaviours/silent.ts';
import { identityOf } from '../fleet/identity.ts';
import { OverlayRun } from '../fleet/run-overlay.ts';
import type { SybilPlan } from '../fleet/sybils.ts';
import {
  deliveryOverTime,
  latencyOption,
  linksOption,
  nodesOption,
  rateOption,
  secondsOption,
  shareOption,
} from './common.ts';
import { defineScenario } from './scenario.ts';

/** Attackers kept of those that were ground, on each side of the victim: as many as a node has neighbours there. */
const perSide = 2;
/** The old ring may serve for so long after midnight. */
const turnoverSeconds = 120;

/** Keys ground beside a victim's place, and what they are worth the next day (THREATS 12). */
export const takeoverScenario = defineScenario({
  name: 'takeover',
  about: 'attack: keys ground beside a victim’s place on the rings, over a change of the day',
  options: {
    nodes: nodesOption(100, 10),
    tries: { about: 'keys the attacker tries', default: 5_000, min: 1, max: 10_000_000 },
    links: linksOption(24),
    rate: rateOption(2),
    promise: shareOption('share of deliveries, to all and to the victim, that must be made', 0.99),
    warm: secondsOption('seconds before the first message', 45),
    seconds: secondsOption('seconds of publishing before midnight', 30),
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, warm, seconds } = values;
    const midnightMs = 1_000 * (warm + seconds);
    const startMs = Date.UTC(2026, 0, 2) - midnightMs;
    const workload = {
      nodes,
      topics: 1,
      topicsPerNode: 1,
      publishers: nodes,
      messagesPerSecond: values.rate,
      payloadBytes: 200,
      warmUpSeconds: warm,
      publishSeconds: seconds + turnoverSeconds + 30,
      coolDownSeconds: 15,
      linksMax: values.links,
    };
    const shares: number[] = [];
    const run = new OverlayRun(workload, {
      seed: context.seed,
      latency: values.latency,
      startMs,
      promise: { withinMs: 10_000, ratioMin: values.promise, settledMs: 0 },
      onProgress: context.onProgress,
      sybils: () => planTakeover(epochAt(startMs, epochMs.ring), values.tries),
      prepare: (prepared) => {
        for (const atMs of [midnightMs - 1, midnightMs + 1_000 * turnoverSeconds]) {
          prepared.fleet.world.at(atMs, () => shares.push(takenShare(prepared)));
        }
      },
    });
    const { figures, violations, traceHash, virtualMs, delivery } = run.play();
    const victimBefore = run.book.servedShareOf(0, 0, midnightMs);
    const victimAfter = run.book.servedShareOf(0, midnightMs + 1_000 * turnoverSeconds, virtualMs);
    const [takenBefore = 0, takenAfter = 0] = shares;
    const broken = [...violations];
    for (const [when, share] of [
      ['before', victimBefore],
      ['after', victimAfter],
    ] as const) {
      if (share < values.promise) broken.push(`the victim was given ${share.toFixed(4)} of all ${when} midnight`);
    }
    if (takenAfter > 0.5) broken.push(`${takenAfter} of the victim’s neighbours are attackers, the day after`);
    return {
      figures: { ...figures, victimBefore, victimAfter, takenBefore, takenAfter },
      violations: broken,
      traceHash,
      virtualMs,
      plot: deliveryOverTime(delivery),
    };
  },
});

/** The share of attackers among the victim's ring neighbours now. */
function takenShare({ fleet, topics: [topic] }: OverlayRun): number {
  const attackers = new Set(fleet.sybilPlaces.map(({ peer }) => peer));
  const { world } = fleet;
  const epoch = epochAt(world.startMs + world.nowMs, epochMs.ring);
  const shapes = topic === undefined ? [] : (fleet.members[0]?.node.ring(topic).shapes ?? []);
  const shape = shapes.find((one) => one.epoch === epoch);
  const neighbours: readonly PeerId[] = [...(shape?.successors ?? []), ...(shape?.predecessors ?? [])];
  return neighbours.filter((peer) => attackers.has(peer)).length / Math.max(1, neighbours.length);
}

function planTakeover(epoch: number, tries: number): SybilPlan {
  const worn: OverlayNode[] = [];
  let ground: ReturnType<typeof grindKeys> | undefined;
  return {
    worn,
    upAtMs: 0,
    options: {
      count: 2 * perSide,
      areSeeds: true,
      identity: (fleet, at, random) => {
        const publicKey = fleet.members[0]?.identity.signer.publicKey ?? new Uint8Array(32);
        ground ??= grindKeys({ publicKey, epoch }, { tries, count: perSide }, random);
        const signer = ground[fleet.sybils.length];
        if (signer === undefined) throw new RangeError('fewer keys were ground than are needed');
        return identityOf(signer, at);
      },
      make: (fleet, identity) => {
        const inner = fleet.createNode(identity);
        worn.push(inner);
        return new Silent(inner);
      },
    },
  };
}
