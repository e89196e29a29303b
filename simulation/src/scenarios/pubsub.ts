import {
  latencyOption,
  linksOption,
  nodesOption,
  overOption,
  payloadOption,
  playGossipsub,
  playOverlay,
  rateOption,
  secondsOption,
  shareOption,
} from './common.ts';
import { defineScenario } from './scenario.ts';

/** Many topics under a budget of links: what gossipsub loses most of (spec libp2p §2b). */
export const pubsubScenario = defineScenario({
  name: 'pubsub',
  about: '20 of 200 topics a node, under a budget of links: who is reached, at what cost',
  options: {
    nodes: nodesOption(100),
    links: linksOption(24),
    topics: { about: 'topics in all', default: 200, min: 1, max: 10_000 },
    per: { about: 'topics that a node reads', default: 20, min: 1, max: 1_000 },
    carry: { about: 'whether others carry sealed events', default: 'no', choices: ['no', 'yes'] },
    over: overOption,
    promise: shareOption('share of deliveries that must be made', 0.99),
    up: secondsOption('seconds within which the nodes come up', 20),
    warm: secondsOption('seconds before the first message', 90),
    seconds: secondsOption('seconds of publishing', 20),
    rate: rateOption(10),
    payload: payloadOption,
    latency: latencyOption,
  },
  async run(values, context) {
    const workload = {
      nodes: values.nodes,
      topics: values.topics,
      topicsPerNode: Math.min(values.per, values.topics),
      publishers: values.nodes,
      messagesPerSecond: values.rate,
      payloadBytes: values.payload,
      warmUpSeconds: values.warm,
      publishSeconds: values.seconds,
      coolDownSeconds: 20,
      linksMax: values.links,
    };
    const promise = { withinMs: 10_000, ratioMin: values.promise, settledMs: 30_000 };
    if (values.over !== 'upsycle') return playGossipsub(workload, { over: values.over, promise }, context);
    const options = {
      latency: values.latency,
      promise,
      isPrivate: true,
      carry: values.carry === 'yes',
      upWithinMs: 1_000 * values.up,
    };
    return playOverlay(workload, options, context);
  },
});
