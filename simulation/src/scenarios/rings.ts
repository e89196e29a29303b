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

/** How the dead are taken: noticed before anything is published, or not. */
const settleSeconds = 30;

/** One topic that everybody reads: the table of spec overlay §6, over whole nodes. */
export const ringsScenario = defineScenario({
  name: 'rings',
  about: 'one topic read by all: hops, copies, and who is reached when some crash or messages are lost',
  options: {
    nodes: nodesOption(200),
    links: linksOption(24),
    class: { about: 'how wide events spread: to 3 peers, or to 5', default: 'normal', choices: ['normal', 'urgent'] },
    crash: shareOption('share of nodes that crash at once before the first message', 0),
    detected: {
      about: 'whether the crash is noticed before the first message',
      default: 'yes',
      choices: ['yes', 'no'],
    },
    loss: shareOption('share of messages lost on the way while events are published', 0),
    promise: shareOption('share of deliveries that must be made', 0.999),
    warm: secondsOption('seconds before the first message', 45),
    seconds: secondsOption('seconds of publishing', 10),
    rate: rateOption(2),
    payload: payloadOption,
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, links, warm, crash, loss, detected } = values;
    const wait = crash > 0 && detected === 'yes' ? settleSeconds : 0;
    const workload = {
      nodes,
      topics: 1,
      topicsPerNode: 1,
      publishers: nodes,
      messagesPerSecond: values.rate,
      payloadBytes: values.payload,
      warmUpSeconds: warm + wait,
      publishSeconds: values.seconds,
      coolDownSeconds: 15,
      linksMax: links,
    };
    const promise = { withinMs: 10_000, ratioMin: values.promise, settledMs: 30_000 };
    const options = {
      latency: values.latency,
      promise,
      isPrivate: true,
      eventClass: values.class === 'urgent' ? ('urgent' as const) : ('normal' as const),
    };
    return playOverlay(
      workload,
      {
        ...options,
        prepare: ({ fleet: { world, members, random } }) => {
          const fallen = random.shuffle(members).slice(0, Math.round(crash * nodes));
          world.at(1_000 * warm - 1, () => {
            for (const { place } of fallen) world.stop(place, 'vanished');
          });
          world.at(1_000 * (warm + wait), () => {
            world.conditions = { ...world.conditions, lossRate: loss };
          });
        },
      },
      context,
    );
  },
});
