export { type BoxKind, boxKinds } from './box-kinds.ts';
export {
  createTestAuthority,
  type TestAuthority,
  type TestCertificate,
  type TestCertificateOptions,
} from './certificates.ts';
export type { BoxTarget, HttpRules } from './http-context.ts';
export type { ProxyCredentials, ProxyRules } from './proxy-stage.ts';
export { type Box, type BoxOptions, type BoxRules, startBox } from './start-box.ts';
export type { TcpRules } from './tcp-stage.ts';
