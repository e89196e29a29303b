export {
  type ClaimOutcome,
  type EngineLimits,
  type EngineStats,
  engineLimits,
  type InboxClaim,
  type MailboxAck,
  type MailboxEngine,
  type MailboxPosition,
  type MessageKind,
  type MessageToStore,
  type Priority,
  type ReadCursor,
  type ReadRequest,
  type ReadResult,
  type StoredMessage,
  type StoreOutcome,
  type StoreRefusal,
} from './engine.ts';
export type { EngineDependencies, EngineOptions } from './engines/engine-options.ts';
export { type LmdbEngineDependencies, type LmdbEngineOptions, openLmdbEngine } from './engines/lmdb/lmdb-engine.ts';
export { createMemoryEngine, type MemoryEngineOptions } from './engines/memory/memory-engine.ts';
export { type OpenEngineDependencies, type OpenEngineOptions, openEngine } from './engines/open-engine.ts';
export {
  EngineBusyError,
  EngineClosedError,
  EngineFailedError,
  EngineUnavailableError,
  EngineUnsafeError,
  EngineUrlError,
} from './errors.ts';
export {
  addressOfKey,
  type InboxId,
  idBytes,
  inboxBytes,
  inboxIdOf,
  inboxIdOfToken,
  parseInboxId,
} from './inbox-id.ts';
export { type RelayLimits, relayLimits } from './server/limits.ts';
export { type Relay, type RelayDependencies, type RelayHealth, type RelayOptions, startRelay } from './server/relay.ts';
export {
  type RelayServer,
  type RelayServerDependencies,
  type RelayServerOptions,
  startRelayServer,
} from './server/relay-server.ts';
export { decodePeerOffer, encodePeerOpen, type PeerOffer, type PeerOpen } from './wire/agents.ts';
