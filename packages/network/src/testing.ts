export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
  type MemoryPeer,
  type MemoryPeerOptions,
} from './memory-network.ts';
