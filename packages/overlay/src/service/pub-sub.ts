import type { PeerId, PublicKey, TypedEventTarget } from '@libp2p/interface';
import type { EventClass } from '../overlay-node-types.ts';

/** What a topic validator answers, by the values of gossipsub's enum: deliver and forward, or neither. */
export const validation = { accept: 'accept', ignore: 'ignore', reject: 'reject' } as const;

/** A message with a checked author. */
export interface SignedMessage {
  type: 'signed';
  from: PeerId;
  topic: string;
  data: Uint8Array;
  sequenceNumber: bigint;
  /** Of the event the message came in, over more than `data`: checked already. */
  signature: Uint8Array;
  key: PublicKey;
}

export interface UnsignedMessage {
  type: 'unsigned';
  topic: string;
  data: Uint8Array;
}

export type Message = SignedMessage | UnsignedMessage;

/**
 * Decides about a message before it is delivered and forwarded: `accept`, `ignore` or `reject`, or a promise of one.
 * `peer` is who handed it to us. The result is `any` because gossipsub's is an enum, to which no plain text is assignable.
 */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type TopicValidator = (peer: PeerId, message: Message) => any;

/** Tells of others' subscriptions: for private topics, only of peers that proved membership to us. */
export interface SubscriptionChangeData {
  peerId: PeerId;
  subscriptions: { topic: string; subscribe: boolean }[];
}

/** A message as it came: who handed it to us, and the event's id in hex. */
export interface ReceivedMessage {
  propagationSource: PeerId;
  msgId: string;
  msg: Message;
}

/** A member of a topic of ours that was found, or lost. */
export interface TopicPeer {
  peerId: string;
  topic: string;
  direction: 'inbound' | 'outbound';
}

/** The names are gossipsub's; `graft` and `prune` tell of members of rings. */
export interface PubSubEvents {
  'subscription-change': CustomEvent<SubscriptionChangeData>;
  message: CustomEvent<Message>;
  'gossipsub:heartbeat': CustomEvent;
  'gossipsub:message': CustomEvent<ReceivedMessage>;
  'gossipsub:graft': CustomEvent<TopicPeer>;
  'gossipsub:prune': CustomEvent<TopicPeer>;
}

export interface PublishOptions {
  /** How wide the event spreads; default that of the topic. */
  readonly class?: EventClass;
  /** Default that of the service. */
  readonly allowPublishToZeroTopicPeers?: boolean;
}

/** Publish/subscribe, structurally assignable to `GossipSub` of `@libp2p/gossipsub` 17. */
export interface PubSub extends TypedEventTarget<PubSubEvents> {
  globalSignaturePolicy: 'StrictSign' | 'StrictNoSign';
  protocols: string[];
  /** By topic; asked before a message is delivered and forwarded, and awaited. */
  topicValidators: Map<string, TopicValidator>;
  /** Connected peers that speak the protocol. */
  getPeers(): PeerId[];
  /** Topics of this node. */
  getTopics(): string[];
  /** Members known of a topic this node subscribes to. A private topic names only those that proved membership to us. */
  getSubscribers(topic: string): PeerId[];
  /** @throws {NotStartedError}, {TopicRefusedError}. */
  subscribe(topic: string): void;
  /** @throws {NotStartedError}. */
  unsubscribe(topic: string): void;
  /**
   * Publishes, to a topic this node subscribes to or another. Resolves when the message is on its way; `recipients` are
   * those it was sent to, not those it will reach. Where nobody is known yet it waits some seconds for the first member.
   * @throws {NotStartedError}, {TopicRefusedError}, {EventTooLargeError}, {NoSubscribersError}.
   */
  publish(topic: string, data?: Uint8Array, options?: PublishOptions): Promise<{ recipients: PeerId[] }>;
}
