export { type AccountSigner, createLocalSigner } from './accounts/local-signer.ts';
export { openSignerFile, SignerFileError, type SignerFileOptions } from './accounts/signer-file.ts';
export { chainLimits } from './chain-limits.ts';
export {
  type ChainLedger,
  type ConnectChainDependencies,
  type ConnectChainOptions,
  connectChain,
} from './connect-chain.ts';
export { type DeployContractsOptions, type DeployedContracts, deployContracts } from './deploy-contracts.ts';
export { gateLimits } from './gate/gate-limits.ts';
export { createRpcGate, type RpcGate, type RpcGateOptions } from './gate/rpc-gate.ts';
export type { ChainFinality } from './reading/chain-view.ts';
export type { ChainDependencies } from './rpc/provider-pool.ts';
export { type SendCoinsOptions, sendCoins } from './send-coins.ts';
export type { SpendingLimit } from './sending/spending.ts';
