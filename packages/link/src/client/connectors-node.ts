import type { Dialer } from '../dialer.ts';
import type { CarrierConnectors, CarrierDependencies } from './carriers/connect.ts';
import { openDrop } from './carriers/drop.ts';
import { connectGrpc } from './carriers/grpc.ts';
import { createNodeExchange } from './carriers/http-node.ts';
import { connectWebSocket, connectWebSocketH2 } from './carriers/websocket.ts';
import { createHttpConnectors } from './connectors-http.ts';

/** Where an air-gapped site's packets are left and fetched. */
export interface DropPlace {
  readonly folder: string;
  /** How often to look, milliseconds. */
  readonly lookMs?: number;
}

/** Every transport there is, over connections of one dialer. `drop` only where a folder is given. */
export function createNodeConnectors(
  deps: CarrierDependencies & { readonly dialer: Dialer },
  drop: DropPlace | null = null,
): CarrierConnectors {
  return {
    grpc: (request) => connectGrpc(request, deps),
    websocket: (request) => connectWebSocket(request, deps),
    'websocket-h2': (request) => connectWebSocketH2(request, deps),
    ...createHttpConnectors((url) => createNodeExchange(url, deps), deps),
    ...(drop === null ? {} : { drop: ({ id }) => openDrop({ id, ...drop }, deps) }),
  };
}
