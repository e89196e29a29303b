import type { DeliveryReport } from '../checkers/delivery-book.ts';
import type { Plot } from '../report/plot.ts';
import type { AttackKind, Workload } from '../workload/workload.ts';
import {
  deliveryOverTime,
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
  topicOption,
} from './common.ts';
import { defineScenario, type Scenario } from './scenario.ts';

const abouts: Readonly<Record<AttackKind, string>> = {
  eclipse: 'sybils crowd around one honest node and give it nothing',
  censor: 'sybils carry everything but the messages of one publisher',
  'cold-boot': 'sybils come up with everybody else, and carry nothing',
  flash: 'sybils behave, then all stop carrying at once',
  silent: 'sybils take part in everything but carry no message',
};

/**
 * The attacks of gossipsub's published evaluation (Vyzovitis et al. 2020; libp2p/gossipsub-hardening, 1k-attack-*.json):
 * there 1,000 honest nodes, of which 100 publish 120 messages of 2 KiB a second, links of 25 ms ± 10 %.
 */
export const attackScenarios: readonly Scenario[] = (Object.keys(abouts) as AttackKind[]).map(attackScenario);

/** What attackers kept back comes when ring neighbours next talk: some rounds of ten seconds. */
const coolDownSeconds = 30;

function attackScenario(kind: AttackKind): Scenario {
  return defineScenario({
    name: kind,
    about: `attack: ${abouts[kind]}`,
    options: {
      nodes: nodesOption(100),
      sybils: { about: 'attackers', default: 100, min: 0, max: 20_000 },
      publishers: { about: 'honest nodes that publish', default: 10, min: 1, max: 20_000 },
      rate: rateOption(5),
      payload: payloadOption,
      links: linksOption(24),
      topic: { ...topicOption, default: 'open' },
      over: overOption,
      promise: shareOption('share of deliveries that must be made', 0.99),
      warm: secondsOption('seconds before the first message', 45),
      attack: secondsOption('second in which the attack begins', 60),
      seconds: secondsOption('seconds of publishing', 60),
      latency: latencyOption,
    },
    async run(values, context) {
      const workload: Workload = {
        nodes: values.nodes,
        topics: 1,
        topicsPerNode: 1,
        publishers: Math.min(values.publishers, values.nodes),
        messagesPerSecond: values.rate,
        payloadBytes: values.payload,
        warmUpSeconds: values.warm,
        publishSeconds: values.seconds,
        coolDownSeconds,
        linksMax: values.links,
        attack: { kind, sybils: values.sybils, atSeconds: values.attack },
      };
      const promise = { withinMs: 10_000, ratioMin: values.promise, settledMs: 0 };
      const marks = [{ x: values.attack, label: 'the attack begins' }];
      const plot = (delivery: DeliveryReport): Plot => ({ ...deliveryOverTime(delivery), marks });
      if (values.over === 'upsycle') {
        const options = { latency: values.latency, promise, isPrivate: values.topic === 'private' };
        return playOverlay(workload, options, context, plot);
      }
      return playGossipsub(workload, { over: values.over, promise }, context, plot);
    },
  });
}
