export { openAccessLog } from './access/access-log.ts';
export type * from './access/access-types.ts';
export { encodeAccessReceipt } from './access/receipt-codec.ts';
export {
  type AccessLogEvidence,
  type AccessLogFinding,
  type AccessLogReport,
  verifyAccessLogs,
} from './access/verify-logs.ts';
export { bulletinAccountOf, bulletinDomain } from './bulletin/bulletin-account.ts';
export {
  type BulletinLedgerOptions,
  openBulletinLedger,
} from './bulletin/bulletin-ledger.ts';
export * from './chain/index.ts';
export { type ConsentDomain, domainOf } from './contract/typed-data.ts';
export {
  type CustodianDependencies,
  type CustodianOptions,
  openCustodianOffice,
} from './custody/office.ts';
export * from './export/index.ts';
export {
  type LedgerFault,
  LedgerRefusedError,
  LedgerStaleError,
  LedgerUnreachableError,
  LedgerWrongError,
  NoSignerError,
  SpendingLimitError,
} from './grants/errors.ts';
export type * from './grants/grant-ledger.ts';
export { unseenEvents } from './grants/unseen-events.ts';
export * from './market/errors.ts';
export type { CustodianContact, HomeOfficeMeans, OfficeDependencies } from './market/home/home-means.ts';
export { type OpenHomeOffice, openHomeOffice } from './market/home/home-office.ts';
export type { StandingGrant } from './market/home/standing-grants.ts';
export {
  decodeMessage,
  encodeMessage,
  isConsentMessage,
  type Message,
  MessageRefusedError,
} from './market/message-codec.ts';
export { messageLimits } from './market/message-limits.ts';
export type * from './market/messages.ts';
export type * from './market/offices.ts';
export type * from './market/post.ts';
export type { ResearchOfficeMeans } from './market/research/research-means.ts';
export { type OpenResearchOffice, openResearchOffice } from './market/research/research-office.ts';
export type { Currency } from './market/view-parts.ts';
export type * from './market/views.ts';
export * from './offer/index.ts';
export type * from './offer/offer.ts';
export * from './release/index.ts';
