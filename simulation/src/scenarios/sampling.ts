import { Liar } from '../behaviours/liar.ts';
import type { Adversary } from '../behaviours/puppet.ts';
import { viewFigures } from '../checkers/views.ts';
import { Fleet } from '../fleet/fleet.ts';
import { latencyOption, linksOption, nodesOption, secondsOption, shareOption } from './common.ts';
import { defineScenario } from './scenario.ts';

const roundMs = 10_000;
/** What spec overlay §2 allows above the attackers' share of all peers. */
const marginShare = 0.03;

/** Attackers among the peers a node knows: the table of spec overlay §2, over whole nodes. */
export const samplingScenario = defineScenario({
  name: 'sampling',
  about: 'attackers that name only each other: their share of honest views, round by round',
  options: {
    nodes: nodesOption(300),
    byzantine: shareOption('share of attackers among all peers', 0.2),
    introductions: { about: 'honest peers that an attacker calls on in a round', default: 4, min: 0, max: 1_000 },
    links: linksOption(48),
    seconds: secondsOption('how long it runs, a round being ten seconds', 600, 36_000),
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, byzantine, introductions, links, seconds } = values;
    const count = Math.min(20_000, Math.round((nodes * byzantine) / Math.max(1e-9, 1 - byzantine)));
    const share = count / (nodes + count);
    const liar = { introductionsPerRound: introductions, roundMs };
    let adversary: Adversary | undefined;
    const fleet = new Fleet({
      seed: context.seed,
      nodes,
      linksMax: links,
      latency: values.latency,
      seedsPerNode: 20,
      sybils: {
        count,
        areSeeds: true,
        make: (made, { descriptor }, random) => {
          const sybils = () => made.sybils.map((one) => one.descriptor);
          adversary ??= {
            get sybils() {
              return sybils();
            },
            honest: made.members.map(({ place }) => place.peer),
          };
          return new Liar(descriptor, liar, adversary, random);
        },
      },
    });
    const { world } = fleet;
    for (let index = 0; index < nodes; index += 1) world.at(fleet.random.float() * 1_000, () => fleet.start(index));
    for (let index = 0; index < count; index += 1)
      world.at(fleet.random.float() * 1_000, () => fleet.startSybil(index));
    const shares: [number, number][] = [];
    let isolated = 0;
    const look = () => {
      const nodesUp = fleet.members.map(({ node }) => node);
      return viewFigures(nodesUp, (peer) => world.places[world.indexOf(peer) ?? -1]?.isByzantine ?? true);
    };
    for (let atMs = roundMs; atMs <= 1_000 * seconds; atMs += roundMs) {
      world.at(atMs, () => {
        const figures = look();
        shares.push([atMs / 1_000, 100 * figures.byzantineShare]);
        isolated = Math.max(isolated, atMs > 6 * roundMs ? figures.isolated : 0);
      });
    }
    world.runUntil(1_000 * seconds, (nowMs) => context.onProgress(nowMs, 1_000 * seconds));
    const last = shares.slice(-10);
    const viewByzantineShare = last.reduce((sum, [, percent]) => sum + percent, 0) / Math.max(1, last.length) / 100;
    const violations: string[] = [];
    if (viewByzantineShare > share + marginShare) {
      violations.push(
        `attackers are ${(100 * viewByzantineShare).toFixed(1)} % of views and ${(100 * share).toFixed(1)} % of peers`,
      );
    }
    if (isolated > 0) violations.push(`up to ${isolated} nodes knew nobody honest`);
    const { inDegreeSpread, sizeMean } = look();
    return {
      figures: {
        byzantineShare: share,
        viewByzantineShare,
        isolatedMost: isolated,
        inDegreeSpread,
        viewSizeMean: sizeMean,
      },
      violations,
      traceHash: world.traceHash,
      virtualMs: 1_000 * seconds,
      plot: {
        title: 'Attackers in the views of honest nodes',
        x: 'time (s)',
        y: 'share (%)',
        yRange: [0, 100 * share],
        series: [
          { name: 'of views', points: shares },
          {
            name: 'of all peers',
            points: [
              [0, 100 * share],
              [seconds, 100 * share],
            ],
          },
        ],
      },
    };
  },
});
