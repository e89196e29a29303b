/** The machines and their words, without libp2p: for drivers of another kind, and for the simulator. */
export {
  codecLimits,
  DescriptorMemory,
  decodeMessages,
  descriptorMemory,
  encodeMessage,
  encodeMessages,
} from './codec.ts';
export {
  capability,
  createDescriptor,
  type Descriptor,
  type DescriptorContent,
  DescriptorRefusedError,
  decodeDescriptor,
  descriptorLimits,
  interestDigestOf,
  isCurrent,
  isGenuine,
} from './descriptor.ts';
export {
  currentMembers,
  fittingMembers,
  type JoinSeals,
  joinAnswerLimits,
  type ReplyKey,
} from './joining/join-answer.ts';
export type { Links } from './lan/bridge-duty.ts';
export { type Message, messageLimits, type Outgoing } from './message.ts';
export { OverlayNode, overlayNodeDefaults, overlayNodeLimits } from './node/overlay-node.ts';
export type {
  DeliveredEvent,
  EventClass,
  NodeOutput,
  OverlayNodeDependencies,
  OverlayNodeOptions,
  Published,
  SubscribeOptions,
} from './overlay-node-types.ts';
export { StreamSampler, type StreamSamplerOptions, sampleStream } from './sampling/stream-sampler.ts';
export { createTopic, epochAt, epochMs, type Topic, topicNameLengthMax } from './topic.ts';
export { TrustBook, TrustBookFullError, trustLimits } from './trust/trust-book.ts';
export type { Trust } from './trust.ts';
