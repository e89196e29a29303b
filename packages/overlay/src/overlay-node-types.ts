import type { Random } from '@pulsemesh/base';
import type { Signer } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from './descriptor.ts';
import type { JoinSeals } from './joining/join-answer.ts';
import type { Links } from './lan/bridge-duty.ts';
import type { Outgoing } from './message.ts';
import type { Topic } from './topic.ts';
import type { Trust } from './trust.ts';

/** How wide an event spreads: an alert travels wider than a window. */
export type EventClass = 'normal' | 'urgent';

/** An event of a topic we subscribe to, opened and checked. */
export interface DeliveredEvent {
  readonly topic: Topic;
  /** 16 bytes. */
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

/** How one node behaves; what is optional has its default in `node/overlay-node.ts`. */
export interface OverlayNodeOptions {
  /** The node's identity: signs descriptors and events. */
  readonly signer: Signer;
  /** Multiaddrs to be dialled at, without a peer id; none for a client. */
  readonly addresses: readonly string[];
  /** Sum of `capability` bits. */
  readonly capabilities?: number;
  /** 32 bytes that outlive restarts: the noise of the interest filter comes from them. */
  readonly deviceSecret: Uint8Array;
  /** ε of one interest filter. */
  readonly epsilon?: number;
  /** What `interestState()` gave before the restart. */
  readonly interestState?: Uint8Array;
  /** Connections that the node wants to keep at most. */
  readonly linksMax?: number;
  readonly signaturePolicy?: 'StrictSign' | 'StrictNoSign';
  /** Carry sealed events of others' topics where asked to. */
  readonly carry?: boolean;
  /** Whether an event waits for `validated` before it is forwarded. Default: none does. */
  readonly mustValidate?: (topic: Topic) => boolean;
}

export interface OverlayNodeDependencies {
  readonly random: Random;
  /** Default: nobody is trusted in particular. */
  readonly trust?: Trust;
  /** Which local networks peers are on: with it the node carries events between those and the rest. Default: none are. */
  readonly links?: Links;
  /** Reads others' descriptors; default: with the memory of this process, see `DescriptorMemory`. */
  readonly decode?: (bytes: Uint8Array) => Descriptor;
  /** Seals answers to join queries; default: `joinSeals`. */
  readonly seals?: JoinSeals;
}

/** How a topic is subscribed to. */
export interface SubscribeOptions {
  /** Kept out of the interest filter, and looked for without a hint. */
  readonly sensitive?: boolean;
}

/** How an event is published; `sensitive` counts where its topic is not subscribed to, and has to be looked for. */
export interface PublishOptions extends SubscribeOptions {
  readonly class: EventClass;
}

/** What became of a publication at once. */
export interface Published {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** The event as it travels. */
  readonly bytes: Uint8Array;
  /** Whom it was sent to; empty when nobody is known: then it is kept for the first that shows up within some seconds. */
  readonly recipients: readonly PeerId[];
  readonly outputs: readonly NodeOutput[];
}
