import type { Random } from '@pulsemesh/base';
import type { OverlayRun } from '../fleet/run-overlay.ts';
import { playOverlay } from './common.ts';
import { defineScenario } from './scenario.ts';

const warmSeconds = 20;
const faultSeconds = 30;
const healingSeconds = 50;
const publishSeconds = 6;
const latencyNames = ['constant', 'uniform', 'lognormal', 'regions'];

interface Fault {
  readonly kind: 'crash' | 'partition' | 'loss' | 'duplication' | 'reordering';
  readonly atMs: number;
  readonly forMs: number;
  /** Who, how much or how: a number of its own for each kind. */
  readonly pick: number;
}

/** Short runs with random faults: what is promised holds again once the faults are over. Meant for many seeds. */
export const faultsScenario = defineScenario({
  name: 'faults',
  about: 'a small network in which random things go wrong; then everything must be as promised again (use --runs)',
  options: {
    nodes: { about: 'most nodes; each run draws how many', default: 24, min: 3, max: 1_000 },
    faults: { about: 'things that go wrong', default: 8, min: 0, max: 1_000 },
  },
  async run({ nodes, faults: count }, context) {
    const drawn: Fault[] = [];
    // The seed decides the size of the network, too.
    const size = 3 + ((Math.imul(context.seed, 2_654_435_761) >>> 0) % Math.max(1, nodes - 2));
    const topics = 1 + (context.seed % 3);
    const workload = {
      nodes: size,
      topics,
      topicsPerNode: Math.max(1, topics - 1),
      publishers: size,
      messagesPerSecond: 3,
      payloadBytes: 32 + 200 * (context.seed % 40),
      warmUpSeconds: warmSeconds,
      publishSeconds: faultSeconds + healingSeconds + publishSeconds,
      coolDownSeconds: 12,
      linksMax: 16 + 8 * (context.seed % 3),
    };
    const options = {
      latency: latencyNames[context.seed % latencyNames.length] as string, // a remainder
      // While things go wrong no share is promised; that nothing is given twice or to strangers is.
      promise: {
        ...{ withinMs: 10_000, ratioMin: 1, settledMs: 30_000 },
        fromMs: 1_000 * (warmSeconds + faultSeconds + healingSeconds),
      },
      isPrivate: context.seed % 2 === 0,
      skewMsMax: 30_000,
      prepare: (run: OverlayRun) => {
        const { random } = run.fleet;
        for (let fault = 0; fault < count; fault += 1) drawn.push(drawFault(random));
        for (const fault of drawn) setFault(run, fault);
      },
    };
    const result = playOverlay(workload, options, context);
    return { ...result, details: { nodes: size, topics, faults: drawn } };
  },
});

function drawFault(random: Random): Fault {
  const kinds = ['crash', 'crash', 'partition', 'loss', 'duplication', 'reordering'] as const;
  const kind = kinds[random.integer(kinds.length)] as Fault['kind']; // below the length
  const atMs = 1_000 * warmSeconds + random.integer(1_000 * faultSeconds);
  const leftMs = 1_000 * (warmSeconds + faultSeconds) - atMs;
  return { kind, atMs, forMs: random.integer(leftMs + 1), pick: random.integer(1_000_000) };
}

function setFault({ fleet }: OverlayRun, { kind, atMs, forMs, pick }: Fault): void {
  const { world, members } = fleet;
  const set = (begin: () => void, end: () => void) => {
    world.at(atMs, begin);
    world.at(atMs + forMs, end);
  };
  switch (kind) {
    case 'crash': {
      const index = pick % members.length;
      const how = pick % 2 === 0 ? 'killed' : 'vanished';
      const place = world.places[index];
      if (place !== undefined)
        set(
          () => world.stop(place, how),
          () => fleet.start(index, pick % 3 === 0),
        );
      return;
    }
    case 'partition': {
      const cut = 1 + (pick % members.length);
      const isOneWay = pick % 2 === 0;
      const begin = () => {
        for (const { place } of members) place.group = place.index < cut ? 1 : 0;
        world.partition(0, 1);
        if (!isOneWay) world.partition(1, 0);
      };
      set(begin, () => {
        world.partitions.unblock(0, 1);
        world.partitions.unblock(1, 0);
      });
      return;
    }
    default: {
      const name = `${kind}Rate` as const;
      set(
        () => {
          world.conditions = { ...world.conditions, [name]: (pick % 30) / 100 };
        },
        () => {
          world.conditions = { ...world.conditions, [name]: 0 };
        },
      );
    }
  }
}
