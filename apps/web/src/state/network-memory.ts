import type { NetworkView, PeerView } from '@pulsemesh/node/api';

/** How long a peer that has left the server's list stays on the map, greyed. */
export const goneShownMs = 60_000;
/** Most peers the page draws; the rest are counted. */
export const peersShownMax = 200;

/** A peer as the page shows it: with the moment it was first missed. */
export interface ShownPeer extends PeerView {
  readonly goneSinceMs: number | null;
}

export interface ShownNetwork {
  readonly self: string;
  readonly peers: readonly ShownPeer[];
  /** Peers beyond {@link peersShownMax}. */
  readonly hiddenCount: number;
}

/** Joins the server's newest view with what the page still remembers of peers that left it. */
export function rememberNetwork(before: ShownNetwork | null, view: NetworkView, nowMs: number): ShownNetwork {
  const known = new Map(before?.peers.map((peer) => [peer.peerId, peer]));
  const peers: ShownPeer[] = view.peers.map((peer) => ({
    ...peer,
    goneSinceMs: peer.isAlive ? null : (known.get(peer.peerId)?.goneSinceMs ?? nowMs),
  }));
  const listed = new Set(view.peers.map((peer) => peer.peerId));
  for (const peer of known.values()) {
    if (listed.has(peer.peerId)) continue;
    const goneSinceMs = peer.goneSinceMs ?? nowMs;
    if (nowMs - goneSinceMs < goneShownMs)
      peers.push({ ...peer, isAlive: false, connections: [], relays: [], goneSinceMs });
  }
  peers.sort((a, b) => rank(a).localeCompare(rank(b)));
  return {
    self: view.self,
    peers: peers.slice(0, peersShownMax),
    hiddenCount: Math.max(0, peers.length - peersShownMax),
  };
}

/** The way of a reading through the roles: how people look for them. */
const roleOrder = ['bootstrap', 'ingest', 'storage', 'aggregation', 'prediction', 'notification', 'gateway', 'relay'];

function rank(peer: PeerView): string {
  const place = roleOrder.indexOf(peer.roles[0] ?? '');
  return `${place === -1 ? roleOrder.length : place} ${peer.peerId}`;
}
