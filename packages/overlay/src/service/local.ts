import type { AddressManager, ConnectionManager, TransportManager } from '@libp2p/interface-internal';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import type { Signer } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import type { LocalNetwork, LocalNetworkOptions } from '../lan/local-network.ts';
import type { SetIntersection } from '../lan/set-intersection.ts';
import { NotAPeerError } from './errors.ts';

/** What the local network needs of libp2p and of the service. */
export interface LocalDependencies {
  readonly connectionManager: ConnectionManager;
  readonly addressManager: AddressManager | undefined;
  readonly transportManager: TransportManager | undefined;
  readonly self: PeerId;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly setIntersection?: SetIntersection;
}

/** Looks for peers on the local networks of a libp2p node that listens already, and connects to them. */
export async function startLocalNetwork(options: LocalNetworkOptions, deps: LocalDependencies): Promise<LocalNetwork> {
  // Loaded only where it is wanted: browsers have no UDP.
  const { LocalNetwork } = await import('../lan/local-network.ts');
  const { connectionManager, addressManager, transportManager, meter } = deps;
  const events = meter.counter('upsycle_lan_events_total', 'What happened on local networks.', ['what']);
  const local = new LocalNetwork(options, {
    ...deps,
    count: (what) => events.add(1, { what }),
    listening: () => ({
      bound: (transportManager?.getAddrs() ?? []).map(String),
      asked: (addressManager?.getListenAddrs() ?? []).map(String),
    }),
    connections: () => connectionsOf(connectionManager),
    dial: (addresses, signal) => dial(addresses, signal, deps),
  });
  await local.start();
  return local;
}

/** Everybody who is connected, and from where. */
export function connectionsOf(connectionManager: Pick<ConnectionManager, 'getConnections'>, peer?: PeerId) {
  const connections = connectionManager.getConnections(peer === undefined ? undefined : peerIdFromString(peer));
  return connections
    .filter(({ status, remotePeer }) => status === 'open' && remotePeer.type === 'Ed25519')
    .map(({ remotePeer, remoteAddr }) => ({
      peer: remotePeer.toString() as PeerId, // libp2p's text form is ours
      remoteAddress: remoteAddr.toString(),
    }));
}

/** Connects to whoever answers; where the two are connected already, the connection that was there stays. */
async function dial(addresses: readonly string[], signal: AbortSignal, deps: LocalDependencies): Promise<PeerId> {
  const { connectionManager, self } = deps;
  let failure: unknown = new NotAPeerError();
  for (const address of addresses) {
    try {
      const connection = await connectionManager.openConnection(multiaddr(address), { signal });
      const peer = connection.remotePeer.toString() as PeerId; // libp2p's text form is ours
      if (connection.remotePeer.type !== 'Ed25519' || peer === self) throw new NotAPeerError();
      const others = connectionManager.getConnections(connection.remotePeer).filter((one) => one !== connection);
      const isSecond = others.some((one) => one.status === 'open' && one.timeline.open <= connection.timeline.open);
      if (isSecond) await connection.close({ signal });
      return peer;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
