export {
  BadRequestError,
  BusyError,
  ChannelClosedError,
  FrameTooLargeError,
  NetworkStoppedError,
  PeerUnreachableError,
  ProtocolRefusedError,
  ProtocolTakenError,
  RemoteError,
} from './errors.ts';
export {
  type ElectedBootstrap,
  type Libp2pNetwork,
  type Libp2pNetworkDependencies,
  type Libp2pNetworkOptions,
  type NatOptions,
  startLibp2pNetwork,
} from './libp2p-network.ts';
export { placementCacheMax, rankPeers } from './placement.ts';
export {
  type Channel,
  type Evidence,
  type LivePeer,
  type NetworkPort,
  type ProtocolName,
  type RoleName,
  roleNames,
  type SubjectId,
} from './port.ts';
export type { PubSub, PubSubFactory } from './pubsub.ts';
export {
  type ByteStream,
  type ByteStreamHandler,
  type RelayedStreams,
  type RelayView,
  relaysMax,
} from './relayed-streams.ts';
export {
  createRpcClient,
  noAnswer,
  type RpcCall,
  type RpcCallOptions,
  type RpcClient,
  type RpcClientDependencies,
  type RpcClientOptions,
  type RpcMethod,
  type RpcServerOptions,
  serveRpc,
} from './rpc.ts';
export {
  createWorkerFinder,
  freeProtocol,
  offerWork,
  type RunOptions,
  roleKey,
  type WorkerFinder,
  type WorkerFinderDependencies,
  type WorkerFinderOptions,
} from './workers.ts';
