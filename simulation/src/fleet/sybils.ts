import type { Random } from '@pulsemesh/base';
import type { OverlayNode } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import { Crowd } from '../behaviours/crowd.ts';
import { type Carries, Silent } from '../behaviours/silent.ts';
import type { SimulatedNode } from '../network/node.ts';
import { type Attack, victims, type WorkloadPlan } from '../workload/workload.ts';
import type { Fleet, SybilOptions } from './fleet.ts';
import type { Identity } from './identity.ts';

/** Attackers of a workload: what to give a fleet, and the honest-coded nodes they wear, which read the topics. */
export interface SybilPlan {
  readonly options: SybilOptions;
  readonly worn: OverlayNode[];
  /** When they come up, milliseconds since the start. */
  readonly upAtMs: number;
}

/** How a workload's attack looks in our overlay; see `AttackKind`. */
export function planSybils(attack: Attack, plan: WorkloadPlan): SybilPlan {
  const worn: OverlayNode[] = [];
  const atMs = 1_000 * attack.atSeconds;
  const isFromStart = attack.kind === 'cold-boot' || attack.kind === 'flash';
  const make = (fleet: Fleet, identity: Identity, random: Random): SimulatedNode => {
    const inner = fleet.createNode(identity);
    worn.push(inner);
    switch (attack.kind) {
      case 'eclipse':
        return new Crowd(inner, identity.descriptor, victimOf(fleet, victims.eclipsed()), random);
      case 'censor':
        return new Silent(inner, censoring(victimOf(fleet, victims.censored(plan))));
      case 'flash':
        return new Silent(inner, (nowMs) => nowMs < fleet.world.startMs + atMs);
      default:
        return new Silent(inner);
    }
  };
  return { options: { count: attack.sybils, areSeeds: isFromStart, make }, worn, upAtMs: isFromStart ? 0 : atMs };
}

function censoring(victim: PeerId): Carries {
  return (_nowMs, event) => event?.author?.peer !== victim;
}

function victimOf(fleet: Fleet, index: number): PeerId {
  const victim = fleet.members[index];
  if (victim === undefined) throw new RangeError('nobody to attack');
  return victim.place.peer;
}
