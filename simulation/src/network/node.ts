import type { DeliveredEvent, Descriptor, Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';

/**
 * What the world asks of a node, honest or not: `OverlayNode` of `@pulsemesh/overlay/protocol` is one, and so is every
 * behaviour that attacks. Calls take the node's own wall time (unix milliseconds, whole) and give what it wants done.
 */
export interface SimulatedNode {
  /** When it wants to be woken, unix milliseconds; infinity for never. */
  readonly dueAtMs: number;
  start(seeds: readonly Descriptor[], nowMs: number): readonly NodeOutput[];
  wake(nowMs: number): readonly NodeOutput[];
  receive(from: PeerId, message: Message, nowMs: number): readonly NodeOutput[];
  connected(peer: PeerId, nowMs: number): readonly NodeOutput[];
  /** A connection is gone: an end let it go for want of room, or it broke. */
  disconnected(peer: PeerId, nowMs: number, why: 'closed' | 'lost'): readonly NodeOutput[];
  /** A dial failed: nobody answers there. */
  unreachable(peer: PeerId, nowMs: number): readonly NodeOutput[];
  /** The connections it wants kept, most important first. */
  wantedLinks(): readonly PeerId[];
}

/** Hears what happens in a world; each hook may be left out. Nodes go by their numbers. */
export interface Observer {
  /** A message arrived, and the node is about to be given it. */
  received?(from: number, to: number, message: Message, atMs: number): void;
  delivered?(node: number, event: DeliveredEvent, atMs: number): void;
  /** The number of connections of a node changed. */
  linked?(node: number, links: number, atMs: number): void;
  wentDown?(node: number, atMs: number): void;
  cameUp?(node: number, atMs: number): void;
}
