import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { connectedFirst } from './connected-first.ts';
import type { RingShape } from './topic-ring.ts';

/** What targets are chosen from. */
export interface ForwardingInput {
  /** The order in force, and a second one while an epoch ends. */
  readonly shapes: readonly RingShape[];
  /** Members elsewhere on the ring. */
  readonly shortcuts: readonly PeerId[];
  /** Who gave us the event; null where we publish it. */
  readonly from: PeerId | null;
  /** To how many it goes in all. */
  readonly fanOut: number;
  readonly connectedShare: number;
}

/** Who gets an event whole, along the ring, and who are chosen at random. */
export interface Targets {
  readonly ring: readonly PeerId[];
  readonly random: readonly PeerId[];
}

/**
 * The forwarding rule of PolderCast (Setty et al. 2012, §3.4): what came along the ring goes on in the same direction; what
 * came from elsewhere, or is our own, goes both ways; random members fill up the fan-out. The direction follows from the
 * side on which the sender is our neighbour, never from comparing places with just any sender.
 */
export function chooseTargets(
  input: ForwardingInput,
  dependencies: { readonly random: Random; readonly isConnected: (peer: PeerId) => boolean },
): Targets {
  const ring = new Set<PeerId>();
  let firstCount: number | undefined;
  for (const shape of input.shapes) {
    const side = sideOf(shape, input.from);
    const successor = side === 'successor' ? undefined : shape.successors.find((peer) => peer !== input.from);
    const predecessor = side === 'predecessor' ? undefined : shape.predecessors.find((peer) => peer !== input.from);
    if (successor !== undefined) ring.add(successor);
    if (predecessor !== undefined) ring.add(predecessor);
    firstCount ??= ring.size;
  }
  // The second order comes on top: otherwise nothing random would be left while an epoch ends.
  const wanted = input.fanOut - (firstCount ?? 0);
  const pool = input.shortcuts.filter((peer) => peer !== input.from && !ring.has(peer));
  // A fan-out that is not filled is worse than a dial.
  const reach = { connectedShare: input.connectedShare, unconnectedMax: Number.POSITIVE_INFINITY };
  return { ring: [...ring], random: connectedFirst(dependencies.random.shuffle(pool), wanted, reach, dependencies) };
}

/** On which side `peer` is our neighbour: the side where it stands nearer, in rings so small that it stands on both. */
export function sideOf(shape: RingShape, peer: PeerId | null): 'successor' | 'predecessor' | null {
  if (peer === null) return null;
  const before = shape.predecessors.indexOf(peer);
  const after = shape.successors.indexOf(peer);
  if (before < 0 && after < 0) return null;
  return after < 0 || (before >= 0 && before <= after) ? 'predecessor' : 'successor';
}
