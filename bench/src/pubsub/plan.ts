import { createSeededRandom } from '@pulsemesh/base';
import { planWorkload, type WorkloadPlan } from '@pulsemesh/simulation';
import type { Setting } from './setting.ts';

/** Who reads and who publishes what: the same for whoever plays the setting. */
export function planOf(setting: Setting): WorkloadPlan {
  const { nodes, topics, topicsPerNode, attack, linksMax } = setting;
  const phases = setting.runIn === undefined ? setting.phases : [setting.runIn, ...setting.phases];
  const messages = phases.reduce((sum, phase) => sum + phase.messages, 0);
  return planWorkload(
    {
      ...{ nodes, topics, topicsPerNode, linksMax, payloadBytes: 200 },
      publishers: attack === undefined ? nodes : Math.max(1, Math.round(nodes / 10)),
      // Who publishes on what; when follows from the phases.
      ...{ messagesPerSecond: messages, warmUpSeconds: 0, publishSeconds: 1, coolDownSeconds: 0 },
    },
    createSeededRandom(setting.seed),
  );
}
