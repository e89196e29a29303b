export { isRelayUrl } from '../card.ts';
export {
  type AdmissionClaim,
  type AdmissionOptions,
  type AdmissionVerdict,
  createAdmission,
} from './admission.ts';
export type { AgentView } from './agent-view.ts';
export {
  Authority,
  type AuthorityDependencies,
  type AuthorityOptions,
  type PendingRequest,
  type RevokedEvent,
  type TokenFacts,
} from './authority.ts';
export type { RevocationTarget } from './books.ts';
export { isDnsName, isIpv4, isOrganisation } from './certificate-names.ts';
export type { ServerNames } from './der.ts';
export { type AuthorityRequest, Enrolment, type EnrolmentDependencies, type EnrolmentWish } from './enrolment.ts';
export {
  AuthorityFolderError,
  type AuthorityRefusal,
  AuthorityRefusedError,
  EnrolmentError,
  type EnrolmentFault,
  EnrolmentTokenError,
  type EnrolmentTokenFault,
} from './errors.ts';
export {
  type AuthorityFolder,
  type AuthorityFolderOptions,
  type AuthoritySettings,
  authorityFileNames,
  createAuthorityFolder,
  type NewAuthority,
  openAuthorityFolder,
  readAuthoritySettings,
} from './folder.ts';
export { type AuthorityHttp, type AuthorityHttpOptions, authorityHttpPrefix, createAuthorityHttp } from './http.ts';
export {
  type Invitation,
  type InvitationFacts,
  invitationLimits,
  parseInvitation,
  signInvitation,
} from './invitation.ts';
export {
  type AgentCertificateFacts,
  certificateFingerprint,
  certificateToPem,
  createRoot,
  generateServerKey,
  type IssuedCertificate,
  type Issuer,
  openIssuer,
  type RevokedEntry,
  type RootFacts,
  revocationListToPem,
  type ServerCertificateFacts,
} from './issuer.ts';
export {
  type CertificateFacts,
  type CertificateFault,
  type Judgement,
  type JudgeOptions,
  judgeCertificate,
  parseRevocationList,
  type RevocationList,
  type Revocations,
} from './judge.ts';
export { type AuthorityRole, authorityLimits, authorityRoles, isAuthorityRole } from './limits.ts';
export { type RenewalOptions, renewalTiming, startRenewal } from './renewal.ts';
export { type AuthorityMethod, type AuthorityService, authorityMethods, createAuthorityService } from './service.ts';
export {
  type EnrolmentToken,
  enrolmentTokenLimits,
  formatEnrolmentToken,
  parseEnrolmentToken,
} from './token.ts';
