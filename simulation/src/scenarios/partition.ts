import {
  latencyOption,
  linksOption,
  nodesOption,
  payloadOption,
  playOverlay,
  rateOption,
  secondsOption,
  shareOption,
} from './common.ts';
import { defineScenario } from './scenario.ts';

/** What is published within so long of the healing is not promised: the halves first have to find each other again. */
const healingSeconds = 60;

/** The network falls into two, in one direction or both, and heals. */
export const partitionScenario = defineScenario({
  name: 'partition',
  about: 'the network falls into two parts, in one direction or both, and grows together again',
  options: {
    nodes: nodesOption(100),
    links: linksOption(24),
    share: shareOption('share of nodes on the smaller side', 0.3),
    direction: { about: 'what does not get through', default: 'both', choices: ['both', 'in', 'out'] },
    split: secondsOption('seconds it lasts', 60),
    promise: shareOption('share of deliveries that must be made after it has healed', 0.999),
    warm: secondsOption('seconds before the split', 45),
    seconds: secondsOption('seconds of publishing after it has healed', 20),
    rate: rateOption(2),
    payload: payloadOption,
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, warm, split, direction } = values;
    const workload = {
      nodes,
      topics: 1,
      topicsPerNode: 1,
      publishers: nodes,
      messagesPerSecond: values.rate,
      payloadBytes: values.payload,
      warmUpSeconds: warm + split + healingSeconds,
      publishSeconds: values.seconds,
      coolDownSeconds: 15,
      linksMax: values.links,
    };
    const promise = { withinMs: 10_000, ratioMin: values.promise, settledMs: 0 };
    return playOverlay(
      workload,
      {
        latency: values.latency,
        promise,
        isPrivate: true,
        prepare: ({ fleet: { world, members } }) => {
          const directions =
            direction === 'both'
              ? [
                  [0, 1],
                  [1, 0],
                ]
              : direction === 'in'
                ? [[0, 1]]
                : [[1, 0]];
          for (const { place } of members.slice(0, Math.round(values.share * nodes))) place.group = 1;
          world.at(1_000 * warm, () => {
            for (const [from = 0, to = 0] of directions) world.partition(from, to);
          });
          world.at(1_000 * (warm + split), () => {
            for (const [from = 0, to = 0] of directions) world.partitions.unblock(from, to);
          });
        },
      },
      context,
    );
  },
});
