import { epochAt, epochMs, type Topic } from '@pulsemesh/overlay/protocol';
import { type RingFigures, type RingMember, ringFigures } from '../checkers/rings.ts';
import type { Fleet } from './fleet.ts';

/** How right the ring of a topic is now among the honest nodes that are up and read it. */
export function ringOf(fleet: Fleet, topic: Topic, readers: readonly number[]): RingFigures {
  const epoch = epochAt(fleet.world.startMs + fleet.world.nowMs, epochMs.ring);
  const members: RingMember[] = [];
  for (const index of readers) {
    const member = fleet.members[index];
    if (member === undefined || !member.place.isUp) continue;
    const shape = member.node.ring(topic).shapes.find((one) => one.epoch === epoch);
    members.push({
      peer: member.place.peer,
      publicKey: member.identity.signer.publicKey,
      successors: shape?.successors ?? [],
      predecessors: shape?.predecessors ?? [],
    });
  }
  return ringFigures(members, epoch);
}
