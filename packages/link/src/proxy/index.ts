export {
  createDialer,
  type DialerDependencies,
  type DialerLimits,
  type DialerOptions,
  dialerLimits,
} from './create-dialer.ts';
export { createDialerFetch, type DialerFetch, HttpFailedError, type HttpFetch } from './dialer-fetch.ts';
export {
  CertificateError,
  ConnectFailedError,
  NameNotFoundError,
  ProxyAuthError,
  ProxyConfigError,
  ProxyProtocolError,
  ProxyRefusedError,
  ProxyUnreachableError,
  TlsFailedError,
} from './errors.ts';
export { pacLimits } from './pac.ts';
export type { EnvironmentVariables } from './proxy-environment.ts';
export { assertPublicUrl, type PinnedUrl, type PublicUrlOptions, UrlNotPublicError } from './public-url.ts';
export type { ProxySetting } from './routes.ts';
export type { TrustOptions } from './trust.ts';
