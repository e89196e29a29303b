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
export {
  createHospitalNamespace,
  type HaproxyOptions,
  type HospitalNamespace,
  haproxyAbsence,
  type MitmdumpOptions,
  mitmdumpAbsence,
  namespaceAbsence,
  ProgramAbsentError,
  type RealBox,
  type RealInspectorOptions,
  type RealProxyOptions,
  squidAbsence,
  startHaproxy,
  startMitmdump,
  startSquid,
  startTinyproxy,
  tinyproxyAbsence,
} from './boxes/real/index.ts';
export { type CarrierPair, type CarrierSubject, type ContractRunner, runCarrierContract } from './carrier-contract.ts';
export { createLinkedPair, createTestLinkIdentity, type LinkedPair, type LinkedPairOptions } from './linked-pair.ts';
export {
  createMemoryCarrierPair,
  type MemoryCarrierOptions,
  type MemoryCarrierPair,
  type MemoryDirection,
} from './memory-carriers.ts';
export { runSoak, type SoakCount, type SoakOptions, type SoakResult, serveSoak } from './soak.ts';
