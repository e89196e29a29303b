export type { Priority } from '../engine.ts';
export {
  addressOfKey,
  type InboxId,
  idBytes,
  inboxBytes,
  inboxIdOf,
  inboxIdOfToken,
  parseInboxId,
} from '../inbox-id.ts';
export {
  type AgentContact,
  createEnvelopeSealer,
  type EnvelopeSealerOptions,
  UnknownSenderError,
} from './envelope-sealer.ts';
export {
  AgentUnreachableError,
  NoSealerError,
  NotOfThisCallError,
  OutboxFullError,
  RelayClientClosedError,
  SendRefusedError,
  UnsendableError,
} from './errors.ts';
export { inboxTokensAhead, type WeeklyInbox } from './inbox-tokens.ts';
export { type RelayClientLimits, relayClientLimits } from './limits.ts';
export { createMemoryInboxState, createMemoryOutbox } from './memory-state.ts';
export type { EnvelopeKind } from './pairs/envelope-kind.ts';
export { type PairUseLimits, pairUseLimits } from './pairs/pair-limits.ts';
export {
  createMemoryPairs,
  createTablePairs,
  type PairChange,
  type PairRow,
  type PairRowKind,
  type PairStore,
} from './pairs/pair-store.ts';
export type { PresenceHandler, PresenceState } from './presence.ts';
export {
  connectRelay,
  type RawRelayClient,
  type RelayClient,
  type RelayClientOptions,
} from './relay-client.ts';
export { SealedStream } from './sealed-stream.ts';
export type { TopicHandler } from './subscriptions.ts';
export { createTableInboxState, createTableOutbox } from './table-state.ts';
export type {
  ClientDependencies,
  ContinuityLost,
  InboxPosition,
  InboxState,
  InboxToken,
  MessageHandler,
  Opened,
  Outbox,
  OutboxEntry,
  PairKeys,
  RawMessage,
  RawStreamHandler,
  ReceivedMessage,
  RelayLink,
  RelayUse,
  Sealer,
  SendOptions,
  SendReceipt,
  SentMessage,
  StrangerHandler,
  StrangersMessage,
} from './types.ts';
