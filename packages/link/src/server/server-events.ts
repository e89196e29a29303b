import type { Logger, Meter } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';

/** What a link server counts and logs, each business event once. */
export interface ServerEvents {
  connectionOpened(): void;
  connectionClosed(): void;
  /** A connection that never got to a request. `cause`: few values. */
  connectionRefused(cause: ConnectionRefusal): void;
  requestRefused(code: string): void;
  carrierOpened(transport: TransportName): void;
  carrierClosed(transport: TransportName, code: string): void;
  handlerFailed(error: { readonly code: string; readonly text: string }): void;
  certificateRenewed(): void;
  certificateUnusable(error: { readonly code: string; readonly text: string }): void;
  readonly stats: LinkServerCounts;
}

export type ConnectionRefusal = 'full' | 'address' | 'rate' | 'handshake' | 'silent' | 'protocol';

/** Counts since the start. */
export interface LinkServerCounts {
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly carriers: number;
  readonly carriersTotal: number;
  readonly refusedConnectionsTotal: number;
  readonly refusedRequestsTotal: number;
}

export function createServerEvents(deps: { readonly logger: Logger; readonly meter: Meter }): ServerEvents {
  const { logger, meter } = deps;
  const counts = {
    connections: 0,
    connectionsTotal: 0,
    carriers: 0,
    carriersTotal: 0,
    refusedConnectionsTotal: 0,
    refusedRequestsTotal: 0,
  };
  const live = new Map<TransportName, number>();
  const connections = meter.gauge('link_server_connections_open', 'TCP connections open');
  const refusedConnections = meter.counter('link_server_connections_refused_total', 'Connections refused', ['cause']);
  const refusedRequests = meter.counter('link_server_requests_refused_total', 'Requests refused', ['code']);
  const carriers = meter.gauge('link_server_carriers_open', 'Carriers open', ['transport']);
  const closed = meter.counter('link_server_carriers_closed_total', 'Carriers that ended', ['transport', 'code']);
  const change = (transport: TransportName, by: number) => {
    counts.carriers += by;
    const now = (live.get(transport) ?? 0) + by;
    live.set(transport, now);
    carriers.set(now, { transport });
  };
  return {
    stats: counts,
    connectionOpened() {
      counts.connections += 1;
      counts.connectionsTotal += 1;
      connections.set(counts.connections);
    },
    connectionClosed() {
      counts.connections -= 1;
      connections.set(counts.connections);
    },
    connectionRefused(cause) {
      counts.refusedConnectionsTotal += 1;
      refusedConnections.add(1, { cause });
    },
    requestRefused(code) {
      counts.refusedRequestsTotal += 1;
      refusedRequests.add(1, { code });
    },
    carrierOpened(transport) {
      counts.carriersTotal += 1;
      change(transport, 1);
      logger.debug('carrier opened', { transport });
    },
    carrierClosed(transport, code) {
      change(transport, -1);
      closed.add(1, { transport, code });
      logger.debug('carrier closed', { transport, code });
    },
    handlerFailed: (error) => logger.error('an HTTP handler failed', error),
    certificateRenewed: () => logger.info('the TLS certificate was renewed'),
    certificateUnusable: (error) => logger.error('the new TLS certificate cannot be used, the old one stays', error),
  };
}
