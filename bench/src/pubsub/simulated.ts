import { type Attack, type AttackKind, OverlayRun, type Workload } from '@pulsemesh/simulation';
import { type BenchLine, benchLine } from '../report.ts';

const peerName = "none: gossipsub reads the machine's clock and cannot be simulated";

/** 20 of 200 topics a node, ours alone, the real code under a virtual clock. */
export async function simulatedManyTopicsLines(isFull: boolean, say: (text: string) => void): Promise<BenchLine[]> {
  const nodes = isFull ? 1_000 : 50;
  const lines: BenchLine[] = [];
  for (const linksMax of isFull ? [10, 16, 24, 48] : [16]) {
    for (const carry of [false, true]) {
      const name = `simulated, 20 of 200 topics, ${nodes} nodes, ${linksMax} links${carry ? ', others carry' : ''}`;
      const workload = workloadOf({ nodes, linksMax, topics: 200, topicsPerNode: 20, publishSeconds: 10 });
      lines.push(...play(name, workload, carry, say));
    }
  }
  return lines;
}

/** The attacks at their published scale, ours alone: attackers that know our protocol, and use it. */
export async function simulatedAttackLines(isFull: boolean, say: (text: string) => void): Promise<BenchLine[]> {
  const kinds: readonly AttackKind[] = ['eclipse', 'censor', 'cold-boot', 'flash', 'silent'];
  const sizes: readonly (readonly [number, number])[] = isFull
    ? [
        [1_000, 1_000],
        [1_000, 4_000],
      ]
    : [[50, 100]];
  return sizes.flatMap(([nodes, sybils]) =>
    kinds.flatMap((kind) => {
      const attack: Attack = { kind, sybils, atSeconds: 40 };
      const publishSeconds = isFull ? 60 : 20;
      const workload = { ...workloadOf({ nodes, linksMax: 48, topics: 1, topicsPerNode: 1, publishSeconds }), attack };
      return play(`simulated, ${kind}, ${nodes} honest, ${sybils} sybils`, workload, false, say);
    }),
  );
}

function workloadOf(
  given: Pick<Workload, 'nodes' | 'linksMax' | 'topics' | 'topicsPerNode' | 'publishSeconds'>,
): Workload {
  return {
    ...given,
    publishers: Math.max(1, Math.round(given.nodes / 10)),
    ...{ messagesPerSecond: 10, payloadBytes: 200, warmUpSeconds: 40, coolDownSeconds: 30 },
  };
}

const shown: Readonly<Record<string, readonly [metric: string, unit: string]>> = {
  deliveryRatio: ['delivery ratio', 'share'],
  inTimeRatio: ['delivered within 10 s', 'share'],
  p50Ms: ['p50', 'ms'],
  p99Ms: ['p99', 'ms'],
  copiesPerDelivery: ['copies per delivery', 'messages'],
  bytesPerUsefulByte: ['pubsub bytes per useful byte', 'bytes'],
  linksMean: ['links per node', 'links'],
  linksPeak: ['links of one node at most', 'links'],
  gossipBytesPerNodeSecond: ['gossip received per node', 'B/s'],
  attackedRatio: ['attacked deliveries', 'share'],
  victimServed: ['victim served', 'share'],
  victimHeard: ['victim heard', 'share'],
};

function play(name: string, workload: Workload, carry: boolean, say: (text: string) => void): BenchLine[] {
  const promise = { withinMs: 10_000, ratioMin: 0, settledMs: 0 };
  // A network in which everybody begins at once, knowing nothing, is not what nodes of many topics meet.
  const upWithinMs = workload.topics > 1 ? 20_000 : 2_000;
  const { figures } = new OverlayRun(workload, { seed: 1, latency: 'uniform', promise, carry, upWithinMs }).play();
  say(`${name}: ${JSON.stringify(figures)}`);
  const conditions = 'virtual clock, links of 25 ms ± 10 %, 10 messages/s of 200 B, from 40 s on; no CPU is counted';
  return Object.entries(shown).flatMap(([key, [metric, unit]]) => {
    const value = figures[key];
    if (value === undefined) return [];
    return [benchLine({ bench: 'pubsub', metric: `${name}: ${metric}`, unit, peerName, conditions }, [value], [])];
  });
}
