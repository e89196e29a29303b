export {
  type Box,
  type BoxKind,
  type BoxOptions,
  type BoxRules,
  type BoxTarget,
  boxKinds,
  createTestAuthority,
  type HttpRules,
  type ProxyCredentials,
  type ProxyRules,
  startBox,
  type TcpRules,
  type TestAuthority,
  type TestCertificate,
  type TestCertificateOptions,
} from './boxes/index.ts';
export { type CarrierPair, type CarrierSubject, type ContractRunner, runCarrierContract } from './carrier-contract.ts';
