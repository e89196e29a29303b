import { OverlayRun } from '../fleet/run-overlay.ts';
import { ringOf } from '../fleet/watch-rings.ts';
import { latencyOption, linksOption, nodesOption, secondsOption, shareOption, topicOption } from './common.ts';
import { defineScenario } from './scenario.ts';

const stepMs = 1_000;

/** How soon the readers of a topic find each other among many who do not read it. */
export const joinScenario = defineScenario({
  name: 'join',
  about:
    'readers of a topic find each other in the crowd: share of those who found a member, and of right rings, over time',
  options: {
    nodes: nodesOption(300),
    links: linksOption(24),
    topics: { about: 'topics in all', default: 100, min: 1, max: 10_000 },
    per: { about: 'topics that a node reads', default: 10, min: 1, max: 1_000 },
    topic: topicOption,
    seconds: secondsOption('seconds after the last node came up', 60),
    promise: shareOption('share of (node, topic) pairs that must know a member at the end', 0.95),
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, topics, seconds } = values;
    const workload = {
      nodes,
      topics,
      topicsPerNode: Math.min(values.per, topics),
      publishers: 1,
      messagesPerSecond: 1,
      payloadBytes: 64,
      warmUpSeconds: seconds,
      publishSeconds: 1,
      coolDownSeconds: 1,
      linksMax: values.links,
    };
    const found: [number, number][] = [];
    const right: [number, number][] = [];
    const run = new OverlayRun(workload, {
      seed: context.seed,
      latency: values.latency,
      promise: { withinMs: 1_000, ratioMin: 0, settledMs: 0 },
      isPrivate: values.topic === 'private',
      onProgress: context.onProgress,
      prepare: ({ fleet, plan, topics: made }) => {
        for (let atMs = stepMs; atMs <= 1_000 * seconds; atMs += stepMs) {
          fleet.world.at(atMs, () => {
            const figures = made.map((topic, index) => ringOf(fleet, topic, plan.readersOf[index] ?? []));
            // A topic that one node reads has nobody to be found.
            const shared = figures.filter(({ members }) => members > 1);
            const pairs = Math.max(
              1,
              shared.reduce((sum, { members }) => sum + members, 0),
            );
            const share = (of: (one: (typeof shared)[number]) => number) => {
              return shared.reduce((sum, one) => sum + one.members * of(one), 0) / pairs;
            };
            found.push([atMs / 1_000, 100 * share(({ aloneShare }) => 1 - aloneShare)]);
            right.push([atMs / 1_000, 100 * share(({ correctShare }) => correctShare)]);
          });
        }
      },
    });
    const { violations, traceHash, virtualMs, figures } = run.play();
    const at = (points: readonly [number, number][], share: number) => {
      return points.find(([, percent]) => percent >= 100 * share)?.[0] ?? Number.POSITIVE_INFINITY;
    };
    const foundShare = (found.at(-1)?.[1] ?? 0) / 100;
    const own = {
      foundShare,
      ringCorrectShare: (right.at(-1)?.[1] ?? 0) / 100,
      secondsToHalfFound: at(found, 0.5),
      secondsTo95Found: at(found, 0.95),
      secondsTo95Right: at(right, 0.95),
      gossipBytesPerNodeSecond: figures['gossipBytesPerNodeSecond'] ?? 0,
    };
    const promised = values.promise;
    const broken =
      foundShare < promised ? [`${foundShare.toFixed(4)} found a member where ${promised} is promised`] : [];
    return {
      figures: own,
      violations: [...violations, ...broken],
      traceHash,
      virtualMs,
      plot: {
        title: 'Readers that found their topic',
        x: 'time since the start (s)',
        y: 'share of (node, topic) pairs (%)',
        yRange: [0, 100],
        series: [
          { name: 'know a member', points: found },
          { name: 'know their true neighbours', points: right },
        ],
      },
    };
  },
});
