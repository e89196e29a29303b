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
export { createLinkedPair, createTestLinkIdentity, type LinkedPair, type LinkedPairOptions } from './linked-pair.ts';
export {
  createMemoryCarrierPair,
  type MemoryCarrierOptions,
  type MemoryCarrierPair,
  type MemoryDirection,
} from './memory-carriers.ts';
