/** A process that plays one setting and tells what came of it: `fork`ed by the bench. */
import { once } from 'node:events';
import { createSeededRandom } from '@pulsemesh/base';
import { planWorkload } from '@pulsemesh/simulation';
import { Network } from './network.ts';
import type { Setting } from './setting.ts';

const setting = (await once(process, 'message'))[0] as Setting; // from our own parent
const { nodes, topics, topicsPerNode, attack, linksMax } = setting;
const phases = setting.runIn === undefined ? setting.phases : [setting.runIn, ...setting.phases];
const messages = phases.reduce((sum, phase) => sum + phase.messages, 0);
const plan = planWorkload(
  {
    ...{ nodes, topics, topicsPerNode, linksMax, payloadBytes: 200 },
    publishers: attack === undefined ? nodes : Math.max(1, Math.round(nodes / 10)),
    // Who publishes on what; when follows from the phases.
    ...{ messagesPerSecond: messages, warmUpSeconds: 0, publishSeconds: 1, coolDownSeconds: 0 },
  },
  createSeededRandom(setting.seed),
);
const network = new Network(setting, plan);
process.send?.(await network.play());
await network.stop();
process.exit(0);
