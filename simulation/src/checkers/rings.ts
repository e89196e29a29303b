import type { PeerId } from '@pulsemesh/wire';
import { ringPlace } from '../behaviours/ring-takeover.ts';

/** A living reader of a topic, and whom it takes for its neighbours. */
export interface RingMember {
  readonly peer: PeerId;
  readonly publicKey: Uint8Array;
  readonly successors: readonly PeerId[];
  readonly predecessors: readonly PeerId[];
}

/** How right a ring is: shares of members, 0 … 1. */
export interface RingFigures {
  readonly members: number;
  /** Both nearest neighbours are the true ones. */
  readonly correctShare: number;
  /** At least one of them is. */
  readonly halfCorrectShare: number;
  /** Nobody at all is known. */
  readonly aloneShare: number;
}

/**
 * Compares the neighbours members believe in with the true ones: the order of the first eight bytes of
 * SHA-256(key ‖ epoch), worked out here anew, so that a mistake in the machine's own order shows.
 */
export function ringFigures(members: readonly RingMember[], epoch: number): RingFigures {
  const order = members
    .map((member) => ({ member, place: ringPlace(member.publicKey, epoch) }))
    .sort((one, other) => (one.place < other.place ? -1 : 1));
  const count = order.length;
  if (count < 2) return { members: count, correctShare: 1, halfCorrectShare: 1, aloneShare: 0 };
  let correct = 0;
  let half = 0;
  let alone = 0;
  order.forEach(({ member }, index) => {
    const successor = order[(index + 1) % count]?.member.peer;
    const predecessor = order[(index + count - 1) % count]?.member.peer;
    const right = [member.successors[0] === successor, member.predecessors[0] === predecessor];
    if (right.every(Boolean)) correct += 1;
    if (right.some(Boolean)) half += 1;
    if (member.successors.length + member.predecessors.length === 0) alone += 1;
  });
  return { members: count, correctShare: correct / count, halfCorrectShare: half / count, aloneShare: alone / count };
}
