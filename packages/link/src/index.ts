export {
  type Carrier,
  type CarrierHandler,
  type ConnectionFacts,
  type TransportName,
  transportNames,
} from './carrier.ts';
export type { CarrierConnector, CarrierConnectors, ConnectRequest } from './client/carriers/connect.ts';
export { drawCarrierId } from './client/carriers/connect.ts';
export { connectLink, type NodeLinkDependencies, type NodeLinkOptions, startLink } from './client/connect-link.ts';
export { createNodeConnectors, type DropPlace } from './client/connectors-node.ts';
export {
  CarrierError,
  type CarrierErrorCode,
  LinkDisposedError,
  LinkOptionError,
  LinkUnreachableError,
  type TransportFailure,
} from './client/errors.ts';
export type { Link, LinkStatus } from './client/link.ts';
export type { LinkDependencies } from './client/link-keeper.ts';
export { createMemoryOnly, type NetworkMemory, type NetworkRecord } from './client/network-memory.ts';
export { createFileMemory } from './client/network-memory-file.ts';
export type { LinkOptions } from './client/start-link.ts';
export type { DialedConnection, Dialer, DialTarget } from './dialer.ts';
export * from './errors.ts';
export * from './proxy/index.ts';
export { createClientSession, createSessionServer } from './session/index.ts';
export type {
  CarrierStatus,
  LinkIdentity,
  LinkParty,
  LinkSession,
  LinkStream,
  ServeOptions,
  SessionStatus,
} from './session.ts';
export type {
  Admission,
  ClientSession,
  ClientSessionOptions,
  LoginClaim,
  SessionDependencies,
  SessionLimits,
  SessionServer,
  SessionServerOptions,
} from './session-ends.ts';
export { createLinkIdentity, createSystemDependencies } from './standalone.ts';
