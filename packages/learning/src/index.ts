export { type LearningTable, rowCountOf } from './data/table.ts';
export type { BoardOfParty, Gathered, Party, Post, Step } from './party/party.ts';
export * from './privacy/index.ts';
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
export * from './training/index.ts';
