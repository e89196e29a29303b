export {
  createRpcClient,
  type RpcCallOptions,
  type RpcClient,
  type RpcClientDependencies,
  type RpcClientOptions,
} from './rpc-client.ts';
export { noAnswer, type RpcCall, type RpcMethod, type RpcServerOptions, serveRpc } from './rpc-server.ts';
