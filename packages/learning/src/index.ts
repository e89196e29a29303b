export type { BoardOfParty, Gathered, Party, Post, Step } from './party/party.ts';
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
