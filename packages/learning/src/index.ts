export type { Finding, FindingKind } from './audit/finding.ts';
export { type RunVerdict, type VerifyMeans, verdictText, verifyRun } from './audit/verify-run.ts';
export * from './data/index.ts';
export {
  JournalMismatchError,
  PartyClosedError,
  PartyLimitError,
  RunForgottenError,
  RunInUseError,
} from './party/errors.ts';
export { type PartyLimits, partyLimits } from './party/limits.ts';
export { openParties, type Parties, type PartyDependencies, type PartyMeans } from './party/parties.ts';
export type { BoardOfParty, Gathered, Party, Post, Step } from './party/party.ts';
export { createRelayPost, NoCardError, type RelayPostOptions } from './party/relay-post.ts';
export * from './privacy/index.ts';
export {
  type AggregatorDependencies,
  type AggregatorEnd,
  type AggregatorOptions,
  type RunFailure,
  runAggregator,
} from './rounds/aggregator.ts';
export { type AloneDependencies, type AloneEnd, runAlone } from './rounds/alone.ts';
export { type AnalystEnd, runAnalyst } from './rounds/analyst.ts';
export type { Enrolment, JoinOptions } from './rounds/join.ts';
export { roundLimits } from './rounds/limits.ts';
export { type OwnerEnd, runOwner } from './rounds/owner.ts';
export type { Company, OwnerAttempt, OwnerDependencies, OwnerPart } from './rounds/site.ts';
export type {
  Accountant,
  Combine,
  Contribution,
  LocalWork,
  PrivacyBook,
  RoundOfWork,
  WorkShape,
} from './rounds/work.ts';
export * from './secure-sum/index.ts';
export * from './survey/index.ts';
export * from './training/index.ts';
export * from './view.ts';
