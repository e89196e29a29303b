import { readFileSync } from 'node:fs';
import { parseChurnTrace, playChurnTrace, startChurn } from '../network/churn.ts';
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

/** A node that came up again counts as a reader after so long. */
const settledMs = 30_000;

/** Nodes come and go while events are published. */
export const churnScenario = defineScenario({
  name: 'churn',
  about: 'nodes come and go, with and without memory; who is there gets everything',
  options: {
    nodes: nodesOption(100),
    links: linksOption(24),
    session: secondsOption('mean seconds a node stays', 600, 360_000),
    absence: secondsOption('mean seconds it is away', 60, 360_000),
    vanish: shareOption('share of goings in which the machine vanishes instead of saying good-bye', 0.5),
    memory: shareOption('share of comings in which the node still knows its peers', 0.5),
    trace: {
      about: 'comings and goings from a file instead (SECONDS NODE up|down, from the first message)',
      file: true,
      default: '',
    },
    promise: shareOption('share of deliveries that must be made', 0.99),
    warm: secondsOption('seconds before the first message', 45),
    seconds: secondsOption('seconds of publishing', 120, 86_400),
    rate: rateOption(1),
    payload: payloadOption,
    latency: latencyOption,
  },
  async run(values, context) {
    const { nodes, warm, seconds } = values;
    const workload = {
      nodes,
      topics: 1,
      topicsPerNode: 1,
      publishers: nodes,
      messagesPerSecond: values.rate,
      payloadBytes: values.payload,
      warmUpSeconds: warm,
      publishSeconds: seconds,
      coolDownSeconds: 30,
      linksMax: values.links,
    };
    const churn = {
      sessionMeanMs: 1_000 * values.session,
      absenceMeanMs: 1_000 * values.absence,
      fromMs: 1_000 * warm,
      untilMs: 1_000 * (warm + seconds),
      vanishShare: values.vanish,
      memoryShare: values.memory,
    };
    const trace = values.trace === '' ? undefined : parseChurnTrace(readFileSync(values.trace, 'utf8'));
    const promise = { withinMs: 10_000, ratioMin: values.promise, settledMs };
    return playOverlay(
      workload,
      {
        latency: values.latency,
        promise,
        isPrivate: true,
        prepare: ({ fleet }) => {
          const bringUp = (index: number, hasMemory: boolean) => fleet.start(index, hasMemory);
          const indexes = fleet.members.map((_, index) => index);
          if (trace !== undefined) playChurnTrace(fleet.world, trace, churn.fromMs, bringUp);
          else startChurn(fleet.world, indexes, churn, bringUp, fleet.random);
        },
      },
      context,
    );
  },
});
