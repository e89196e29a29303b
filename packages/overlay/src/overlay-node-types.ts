import type { PeerId } from '@pulsemesh/wire';
import type { Outgoing } from './message.ts';
import type { Topic } from './topic.ts';

/** How wide an event spreads: an alert travels wider than a window. */
export type EventClass = 'normal' | 'urgent';

/** An event of a topic we subscribe to, opened and checked. */
export interface DeliveredEvent {
  readonly topic: Topic;
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly class: EventClass;
  readonly data: Uint8Array;
  /** Unix milliseconds, as the publisher says. */
  readonly publishedAtMs: number;
  /** Who published it, checked; absent where the topic's policy is not to sign. */
  readonly author?: { readonly peer: PeerId; readonly sequenceNumber: bigint; readonly signature: Uint8Array };
  readonly hops: number;
  /** Who handed it to us. */
  readonly from: PeerId;
}

/** What the node asks its driver to do, in order. */
export type NodeOutput =
  | ({ readonly kind: 'send' } & Outgoing)
  | { readonly kind: 'deliver'; readonly event: DeliveredEvent }
  /** A peer proved itself (private topic) or showed itself (open topic) as subscriber, or left. */
  | { readonly kind: 'subscription'; readonly peer: PeerId; readonly topic: Topic; readonly isSubscribed: boolean };
