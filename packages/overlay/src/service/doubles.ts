import type { Connection } from '@libp2p/interface';
import type { PeerId } from '@pulsemesh/wire';

/**
 * Whether, of two connections with one peer, both ends keep to `one` and let `other` go. Two peers that dialled each other
 * at once hold on to what the peer with the lesser id dialled: so both know, without a word, which of the two it is.
 */
export function isKeptBefore(self: PeerId, one: Connection, other: Connection): boolean {
  const isKept = (connection: Connection) => {
    const isSelfLesser = self < connection.remotePeer.toString();
    return isSelfLesser === (connection.direction === 'outbound');
  };
  return one.status === 'open' && one.limits === undefined && isKept(one) && !isKept(other);
}

/** Whether a connection carries streams of other protocols than these and libp2p's own, which come and go on every one. */
export function carriesOthers(connection: Connection, protocols: readonly string[]): boolean {
  const own = ['/ipfs/id/', '/ipfs/ping/', ...protocols];
  // A stream whose protocol is being negotiated has none yet: it is somebody's.
  return connection.streams.some(({ protocol }) => !own.some((prefix) => protocol?.startsWith(prefix) ?? true));
}
