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
