import type { Links } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { Fleet } from '../fleet/fleet.ts';
import type { OverlayRun } from '../fleet/run-overlay.ts';
import { linkDefaults } from '../network/links.ts';
import {
  latencyOption,
  linksOption,
  payloadOption,
  playOverlay,
  rateOption,
  secondsOption,
  shareOption,
  topicOption,
} from './common.ts';
import { defineScenario } from './scenario.ts';

/** Groups of places: the core is 0, a site's machines have its number, its bridges that and this. */
const bridgeGroup = 100;
const sitesMax = 50;

interface Sites {
  readonly sites: number;
  readonly size: number;
  readonly bridges: number;
  readonly core: number;
}

/** Local networks that reach the rest by a few machines only. Multicast is left out: who is on a site knows some of it. */
export const lanBridgeScenario = defineScenario({
  name: 'lan-bridge',
  about:
    'local networks that lead nowhere, and bridges that carry their topics to the core and each other; one of each goes',
  options: {
    sites: { about: 'local networks', default: 3, min: 1, max: sitesMax },
    size: { about: 'machines of each, bridges included', default: 12, min: 2, max: 1_000 },
    bridges: { about: 'of those, how many reach the core', default: 2, min: 1, max: 100 },
    core: { about: 'nodes of the core', default: 12, min: 0, max: 10_000 },
    bridgeGoes: { about: 'whether the first bridge of each vanishes halfway', default: 'yes', choices: ['yes', 'no'] },
    links: linksOption(24),
    topic: topicOption,
    promise: shareOption('share of deliveries that must be made', 0.999),
    warm: secondsOption('seconds before the first message', 60),
    seconds: secondsOption('seconds of publishing', 40),
    rate: rateOption(2),
    payload: payloadOption,
    latency: latencyOption,
  },
  async run(values, context) {
    const bridges = Math.min(values.bridges, values.size - 1);
    const plan: Sites = { sites: values.sites, size: values.size, bridges, core: values.core };
    const nodes = plan.sites * plan.size + plan.core;
    const workload = {
      ...{ nodes, topics: 1, topicsPerNode: 1, publishers: nodes },
      ...{ messagesPerSecond: values.rate, payloadBytes: values.payload, linksMax: values.links },
      ...{ warmUpSeconds: values.warm, publishSeconds: values.seconds, coolDownSeconds: 20 },
    };
    const linksOfNodes = new Map<number, Links>();
    const goes = values.bridgeGoes === 'yes' && bridges > 1;
    const options = {
      latency: values.latency,
      // What was on its way over a bridge that vanished is made good once that is noticed.
      promise: {
        withinMs: 10_000 + (goes ? linkDefaults.keepAliveMs : 0),
        ratioMin: values.promise,
        settledMs: 30_000,
      },
      isPrivate: values.topic === 'private',
      seedsOf: (index: number) => seedsOf(plan, index),
      linksOf: (fleet: Fleet, index: number) => {
        const links = linksOfNodes.get(index) ?? linksOf(plan, fleet, index);
        if (links !== undefined) linksOfNodes.set(index, links);
        return links;
      },
      prepare: (run: OverlayRun) => {
        separate(plan, run);
        const halfwayMs = 1_000 * (values.warm + values.seconds / 2);
        if (goes) run.fleet.world.at(halfwayMs, () => stopFirstBridges(plan, run));
      },
    };
    return playOverlay(workload, options, context);
  },
});

/** The site of a node, from 1; 0 for the core. Nodes of sites come first, bridges first in each. */
function siteOf({ sites, size }: Sites, index: number): number {
  return index < sites * size ? 1 + Math.floor(index / size) : 0;
}

function isBridge(plan: Sites, index: number): boolean {
  return siteOf(plan, index) > 0 && index % plan.size < plan.bridges;
}

function membersOf(plan: Sites, site: number): number[] {
  const [from, count] = site === 0 ? [plan.sites * plan.size, plan.core] : [(site - 1) * plan.size, plan.size];
  return Array.from({ length: count }, (_, at) => from + at);
}

/** Who is on a site knows it by multicast; bridges know some of the core, and without one each other. */
function seedsOf(plan: Sites, index: number): number[] {
  const site = siteOf(plan, index);
  const beyond = isBridge(plan, index) || site === 0;
  const others = beyond ? [...membersOf(plan, 0).slice(0, 8), ...bridgesOf(plan)] : [];
  return [...membersOf(plan, site).slice(0, 8), ...others].filter((other) => other !== index);
}

function bridgesOf(plan: Sites): number[] {
  return Array.from({ length: plan.sites * plan.size }, (_, index) => index).filter((index) => isBridge(plan, index));
}

/** Puts machines into groups that do not reach each other. */
function separate(plan: Sites, { fleet: { world, members } }: OverlayRun): void {
  members.forEach(({ place }, index) => {
    place.group = siteOf(plan, index) + (isBridge(plan, index) ? bridgeGroup : 0);
  });
  const outside = Array.from({ length: plan.sites + 1 }, (_, site) => (site === 0 ? [0] : [site, bridgeGroup + site]));
  for (let site = 1; site <= plan.sites; site += 1) {
    for (const group of outside.flat()) {
      if (group === site || group === bridgeGroup + site) continue;
      world.partitions.block(site, group);
      world.partitions.block(group, site);
    }
  }
}

/** What a node sees of the local network it is on. */
function linksOf(plan: Sites, { members }: Fleet, index: number): Links | undefined {
  const site = siteOf(plan, index);
  if (site === 0) return undefined;
  const peers = membersOf(plan, site).map((other) => members[other]?.place.peer as PeerId); // nodes of ours
  const [link, on, beyond] = [`site-${site}`, new Set(peers), peers.slice(0, plan.bridges)];
  return { linkOf: (peer) => (on.has(peer) ? link : undefined), beyond: (of) => (of === link ? beyond : []) };
}

function stopFirstBridges(plan: Sites, { fleet: { world, members } }: OverlayRun): void {
  for (let site = 1; site <= plan.sites; site += 1) {
    const place = members[(site - 1) * plan.size]?.place;
    if (place !== undefined) world.stop(place, 'vanished');
  }
}
