export {
  type BoardClient,
  type BoardClientDependencies,
  type BoardClientOptions,
  type HeardCheckpoint,
  openBoardClient,
} from './board-client.ts';
export { clientLimits } from './client-limits.ts';
export {
  BoardTooLargeError,
  FollowStoreDamagedError,
  NotCountersignedError,
} from './errors.ts';
export {
  EvidenceRefusedError,
  type EvidenceVerdict,
  formatEvidence,
  parseEvidence,
  verifyEvidence,
} from './evidence.ts';
export { answerOf, type BoardFetch, directFetch, type FetchAnswer } from './fetch.ts';
export { followLimits } from './followed-log.ts';
export { type Gossip, type GossipChannel, gossipLimits, startGossip } from './gossip.ts';
export { type BoardPlace, formatPolicyFile, PolicyFileError, parsePolicyFile } from './policy-file.ts';
