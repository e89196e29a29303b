export { TrustedProxyError } from './client-address.ts';
export type { HttpHandler, HttpHandlers, HttpRequestInfo } from './http-handlers.ts';
export { type LinkServerLimits, linkServerLimits } from './limits.ts';
export { CarrierOverError } from './refusal.ts';
export type { LinkServerCounts } from './server-events.ts';
export {
  type LinkServer,
  type LinkServerDependencies,
  type LinkServerOptions,
  startLinkServer,
} from './start-link-server.ts';
export { type TlsMaterial, TlsMaterialError, type TlsVersion } from './tls-material.ts';
