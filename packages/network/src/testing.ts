export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
  type MemoryPeer,
  type MemoryPeerOptions,
} from './memory-network.ts';
export { libp2pContractNetworks, runNetworkPortContract } from './port-contract.ts';
export { MemoryRelay, type MemoryRelayClient } from './relayed-memory.ts';
