import { OverlayRun } from '../fleet/run-overlay.ts';
import { ringOf } from '../fleet/watch-rings.ts';
import type { Plot } from '../report/plot.ts';
import { latencyOption, linksOption, nodesOption, secondsOption, shareOption, topicOption } from './common.ts';
import { defineScenario } from './scenario.ts';

const stepMs = 1_000;

/** How soon the readers of a topic find each other among many who do not read it. */
export const joinScenario = defineScenario({
  name: 'join',
  about: 'readers of a topic find each other in the crowd: who knows a member, and whose ring is right, over time',
  options: {
    nodes: nodesOption(200),
    links: linksOption(24),
    topics: { about: 'topics in all', default: 100, min: 1, max: 10_000 },
    per: { about: 'topics that a node reads', default: 5, min: 1, max: 1_000 },
    topic: topicOption,
    seconds: secondsOption('how long it runs', 60),
    promise: shareOption('share of (node, topic) pairs that must know a member at the end', 0.95),
    latency: latencyOption,
  },
  async run(values, context) {
    const { topics, seconds, promise } = values;
    const workload = {
      nodes: values.nodes,
      topics,
      topicsPerNode: Math.min(values.per, topics),
      // Nothing is published: it is the meeting that is looked at.
      publishers: 1,
      messagesPerSecond: 0,
      payloadBytes: 64,
      warmUpSeconds: seconds,
      publishSeconds: 0,
      coolDownSeconds: 0,
      linksMax: values.links,
    };
    const watch = new MeetingWatch();
    const run = new OverlayRun(workload, {
      seed: context.seed,
      latency: values.latency,
      promise: { withinMs: 1_000, ratioMin: 0, settledMs: 0 },
      isPrivate: values.topic === 'private',
      onProgress: context.onProgress,
      prepare: (prepared) => watch.schedule(prepared, 1_000 * seconds),
    });
    const { violations, traceHash, virtualMs, figures } = run.play();
    const own = watch.figures();
    const isBroken = own.foundShare < promise;
    const broken = isBroken ? [`${own.foundShare.toFixed(4)} found a member where ${promise} is promised`] : [];
    return {
      figures: { ...own, gossipBytesPerNodeSecond: figures['gossipBytesPerNodeSecond'] ?? 0 },
      violations: [...violations, ...broken],
      traceHash,
      virtualMs,
      plot: watch.plot(),
    };
  },
});

/** Looks at all rings once a second. A topic that one node reads has nobody to be found, and is left out. */
class MeetingWatch {
  readonly #found: [seconds: number, percent: number][] = [];
  readonly #right: [seconds: number, percent: number][] = [];

  schedule(run: OverlayRun, untilMs: number): void {
    for (let atMs = stepMs; atMs <= untilMs; atMs += stepMs) run.fleet.world.at(atMs, () => this.#look(run, atMs));
  }

  figures() {
    const last = (points: readonly [number, number][]) => (points.at(-1)?.[1] ?? 0) / 100;
    // -1 where it was not reached: JSON knows no infinity.
    const firstAt = (points: readonly [number, number][], percent: number) => {
      return points.find((point) => point[1] >= percent)?.[0] ?? -1;
    };
    return {
      foundShare: last(this.#found),
      ringCorrectShare: last(this.#right),
      secondsToHalfFound: firstAt(this.#found, 50),
      secondsTo95Found: firstAt(this.#found, 95),
      secondsTo95Right: firstAt(this.#right, 95),
    };
  }

  plot(): Plot {
    return {
      title: 'Readers that found their topic',
      x: 'time since the start (s)',
      y: 'share of (node, topic) pairs (%)',
      yRange: [0, 100],
      series: [
        { name: 'know a member', points: this.#found },
        { name: 'know their true neighbours', points: this.#right },
      ],
    };
  }

  #look({ fleet, plan, topics }: OverlayRun, atMs: number): void {
    const figures = topics.map((topic, index) => ringOf(fleet, topic, plan.readersOf[index] ?? []));
    const shared = figures.filter(({ members }) => members > 1);
    const pairs = shared.reduce((sum, { members }) => sum + members, 0);
    const percent = (of: (one: (typeof shared)[number]) => number) => {
      return (100 * shared.reduce((sum, one) => sum + one.members * of(one), 0)) / Math.max(1, pairs);
    };
    this.#found.push([atMs / 1_000, percent(({ aloneShare }) => 1 - aloneShare)]);
    this.#right.push([atMs / 1_000, percent(({ correctShare }) => correctShare)]);
  }
}
