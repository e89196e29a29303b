/** The machines and their words, without libp2p: for drivers of another kind, and for the simulator. */
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
export { type Message, messageLimits, type Outgoing } from './message.ts';
export type { DeliveredEvent, EventClass, NodeOutput } from './overlay-node-types.ts';
export { createTopic, epochAt, epochMs, type Topic, topicNameLengthMax } from './topic.ts';
export type { Trust } from './trust.ts';
