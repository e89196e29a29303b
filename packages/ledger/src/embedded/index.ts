export { ChainClosedError, ChainDamagedError, OtherChainError } from './errors.ts';
export { embeddedLimits } from './limits.ts';
export type { ChainFacts } from './running-chain.ts';
export {
  type EmbeddedChain,
  type EmbeddedChainDependencies,
  type EmbeddedChainOptions,
  type EmbeddedGenesis,
  EmbeddedRpcError,
  startEmbeddedChain,
  startEmbeddedChainHere,
} from './start-embedded-chain.ts';
export { type ChainSource, fetchChain, fetchChainAt, type RpcRequest } from './verify/chain-sources.ts';
export type { ChainFault, ChainFaultKind, SealedBlock } from './verify/replay.ts';
export { type ChainVerdict, type ExpectedChain, verifyEmbeddedChain } from './verify/verify-embedded-chain.ts';
