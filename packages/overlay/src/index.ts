/** Publish/subscribe over UPSYCLE's overlay, as a libp2p service with gossipsub's shape. */
export type { EventClass, Trust } from './protocol.ts';
export { KeyTypeError, NoSubscribersError, NotStartedError, TopicRefusedError } from './service/errors.ts';
export type { TopicSettings, UpsycleInit } from './service/init.ts';
export type {
  Message,
  PublishOptions,
  PubSub,
  PubSubEvents,
  SignedMessage,
  TopicValidator,
  UnsignedMessage,
} from './service/pub-sub.ts';
export { type UpsycleComponents, upsycle, upsycleProtocol } from './service/upsycle.ts';
export { TrustBook } from './trust/trust-book.ts';
