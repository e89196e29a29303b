import type { Message } from '@libp2p/gossipsub';
import type { Random } from '@pulsemesh/base';
import { numberOf, topicNameOf, victims, type Workload, type WorkloadPlan } from '../workload/workload.ts';
import { carryOnly, type GossipsubHost } from './host.ts';

/** An attack of a workload, in gossipsub's terms. */
export interface GossipsubAttack {
  readonly sybilsAtSeconds: number;
  /** Honest nodes that a sybil connects to: all of them, at random, or the victim alone. */
  readonly victims: readonly number[];
  readonly connectionsMax: number;
  /** Whether a sybil carries a message at this time. */
  isCarried(message: Message, atMs: number): boolean;
}

/** Connections of a sybil to honest nodes: gossipsub's evaluation, configuration `attack_degree` of 1k-attack-cold-boot. */
const attackDegree = 20;

/** How the workload's attack looks here; undefined for none. */
export function attackAt(
  workload: Workload,
  honest: readonly GossipsubHost[],
  plan: WorkloadPlan,
): GossipsubAttack | undefined {
  const { attack } = workload;
  if (attack === undefined) return undefined;
  const everybody = honest.map((_, index) => index);
  const atMs = 1_000 * attack.atSeconds;
  const widely = { victims: everybody, connectionsMax: attackDegree };
  switch (attack.kind) {
    case 'eclipse':
      return {
        sybilsAtSeconds: attack.atSeconds,
        victims: [victims.eclipsed()],
        connectionsMax: 1,
        isCarried: () => false,
      };
    case 'censor': {
      const censored = new Set<number>();
      const victim = victims.censored(plan);
      for (const [number, { node }] of plan.publications.entries()) if (node === victim) censored.add(number);
      const isCarried = (message: Message) => !censored.has(numberOf(message.data) ?? -1);
      return { sybilsAtSeconds: attack.atSeconds, ...widely, isCarried };
    }
    case 'silent':
      return { sybilsAtSeconds: attack.atSeconds, ...widely, isCarried: () => false };
    case 'cold-boot':
      return { sybilsAtSeconds: 0, ...widely, isCarried: () => false };
    case 'flash':
      return { sybilsAtSeconds: 0, ...widely, isCarried: (_message, nowMs) => nowMs < atMs };
  }
}

/** A sybil reads every topic, and carries what the attack lets it. */
export function joinAsSybil(
  host: GossipsubHost,
  attack: GossipsubAttack,
  workload: Workload,
  nowMs: () => number,
): void {
  for (let topic = 0; topic < workload.topics; topic += 1) {
    carryOnly(host, topicNameOf(topic), (message) => attack.isCarried(message, nowMs()));
  }
}

/** Connects a sybil to those it is meant for. */
export async function connectSybils(
  host: GossipsubHost,
  attack: GossipsubAttack,
  honest: readonly GossipsubHost[],
  random: Random,
): Promise<void> {
  for (const index of random.shuffle(attack.victims).slice(0, attack.connectionsMax)) {
    await host.dial(honest[index]?.getMultiaddrs() ?? []).catch(() => {}); // refused is an answer, too
  }
}
