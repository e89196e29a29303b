import { createTopic, type Descriptor, epochAt, epochMs, interestDigestOf } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import { Liar } from '../behaviours/liar.ts';
import { type PoisonedFilter, poisonedFilter } from '../behaviours/poisoned-filter.ts';
import { type ViewFigures, viewFigures } from '../checkers/views.ts';
import { Fleet } from '../fleet/fleet.ts';
import { createIdentity } from '../fleet/identity.ts';
import { worldStartMs } from '../network/world.ts';
import { latencyOption, linksOption, nodesOption, secondsOption, shareOption } from './common.ts';
import { defineScenario, type RunResult } from './scenario.ts';

const roundMs = 10_000;
/** What spec overlay §2 allows above the attackers' share of all peers. */
const marginShare = 0.03;
/** Views fill in the first rounds; afterwards nobody may be alone. */
const settledRounds = 6;
/** The share at the end is the mean of so many rounds. */
const meanRounds = 10;
/** What honest nodes read where attackers show filters. */
const topics = Array.from({ length: 50 }, (_, index) => createTopic(`topic-${index}`));
const topicsPerNode = 5;

interface SamplingValues {
  readonly nodes: number;
  readonly byzantine: number;
  readonly introductions: number;
  readonly filter: string;
  readonly links: number;
  readonly seconds: number;
  readonly latency: string;
}

/** Attackers among the peers a node knows: the table of spec overlay §2, over whole nodes. */
export const samplingScenario = defineScenario({
  name: 'sampling',
  about: 'attackers that name only each other: their share of honest views, round by round',
  options: {
    nodes: nodesOption(300),
    byzantine: { ...shareOption('share of attackers among all peers', 0.2), max: 0.9 },
    introductions: { about: 'honest peers that an attacker calls on in a round', default: 4, min: 0, max: 1_000 },
    filter: {
      about:
        'interest filters that attackers show: none, all ones, as full as passes, half full under the least ε, or all topics there are; honest nodes then read topics',
      default: 'none',
      choices: ['none', 'ones', 'full', 'half', 'topics'],
    },
    links: linksOption(48),
    seconds: secondsOption('how long it runs, a round being ten seconds', 600, 36_000),
    latency: latencyOption,
  },
  async run(values, { seed, onProgress }) {
    const fleet = createLiedToFleet(values, seed);
    const { world } = fleet;
    const untilMs = 1_000 * values.seconds;
    const rounds: ViewFigures[] = [];
    for (let atMs = roundMs; atMs <= untilMs; atMs += roundMs) {
      world.at(atMs, () => rounds.push(viewsOf(fleet, ({ view }) => view)));
    }
    world.runUntil(untilMs, (nowMs) => onProgress(nowMs, untilMs));
    return resultOf(values, fleet, rounds);
  },
});

function createLiedToFleet(values: SamplingValues, seed: number): Fleet {
  const { nodes, byzantine, filter: kind } = values;
  const count = Math.min(20_000, Math.round((nodes * byzantine) / (1 - byzantine)));
  const epoch = epochAt(worldStartMs, epochMs.filter);
  const filter = kind === 'none' ? undefined : poisonedFilter(kind as PoisonedFilter, epoch, topics); // one of the choices
  const liar = { introductionsPerRound: values.introductions, roundMs, ...(filter === undefined ? {} : { filter }) };
  const sybils: Descriptor[] = [];
  const honest: PeerId[] = [];
  const fleet = new Fleet({
    seed,
    nodes,
    linksMax: values.links,
    latency: values.latency,
    seedsPerNode: 20,
    sybils: {
      count,
      areSeeds: true,
      identity: (_fleet, at, random) => {
        return createIdentity(filter === undefined ? at : { ...at, interestDigest: interestDigestOf(filter) }, random);
      },
      make: (_fleet, { descriptor }, random) => {
        sybils.push(descriptor);
        return new Liar(descriptor, liar, { sybils, honest }, random);
      },
    },
  });
  for (const { place } of fleet.members) honest.push(place.peer);
  bringUp(fleet, kind === 'none' ? 0 : topicsPerNode);
  return fleet;
}

/** Everybody comes up within a second; honest nodes read `count` topics. */
function bringUp(fleet: Fleet, count: number): void {
  const { world, random } = fleet;
  fleet.members.forEach((_, index) => {
    world.at(random.float() * 1_000, () => {
      fleet.start(index);
      for (const topic of random.shuffle(topics).slice(0, count)) fleet.subscribe(index, topic);
    });
  });
  fleet.sybils.forEach((_, index) => {
    world.at(random.float() * 1_000, () => fleet.startSybil(index));
  });
}

type Node = Fleet['members'][number]['node'];

function viewsOf({ members, world }: Fleet, view: (node: Node) => readonly Descriptor[]): ViewFigures {
  const nodes = members.map(({ node }) => ({ self: node.self, view: view(node) }));
  return viewFigures(nodes, (peer) => world.places[world.indexOf(peer) ?? -1]?.isByzantine ?? true);
}

function resultOf({ seconds }: SamplingValues, fleet: Fleet, rounds: readonly ViewFigures[]): RunResult {
  const share = fleet.sybils.length / fleet.world.places.length;
  const last = rounds.slice(-meanRounds);
  const viewShare = last.reduce((sum, { byzantineShare }) => sum + byzantineShare, 0) / Math.max(1, last.length);
  const isolatedMost = Math.max(0, ...rounds.slice(settledRounds).map(({ isolated }) => isolated));
  const near = viewsOf(fleet, (node) => node.near);
  const violations: string[] = [];
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  if (viewShare > share + marginShare) {
    violations.push(`attackers are ${percent(viewShare)} of views and ${percent(share)} of peers`);
  }
  if (isolatedMost > 0) violations.push(`up to ${isolatedMost} nodes knew nobody honest`);
  const points = rounds.map(({ byzantineShare }, round) => [10 * (round + 1), 100 * byzantineShare] as const);
  return {
    figures: {
      byzantineShare: share,
      viewByzantineShare: viewShare,
      isolatedMost,
      inDegreeSpread: last.at(-1)?.inDegreeSpread ?? 0,
      viewSizeMean: last.at(-1)?.sizeMean ?? 0,
      nearByzantineShare: near.byzantineShare,
    },
    violations,
    traceHash: fleet.world.traceHash,
    virtualMs: 1_000 * seconds,
    plot: {
      title: 'Attackers in the views of honest nodes',
      x: 'time (s)',
      y: 'share (%)',
      yRange: [0, 100 * share],
      series: [
        { name: 'of views', points },
        { name: 'of all peers', points: [[0, 100 * share] as const, [seconds, 100 * share] as const] },
      ],
    },
  };
}
