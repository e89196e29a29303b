import { CODE_P2P, CODE_P2P_CIRCUIT, type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';

/** Where a relayed host listens: at every relay it has a session with. */
export const relayedListen = '/p2p-circuit';

/** "At this relay", without the peer: what a client of `relay` announces. */
export function relayedAddress(relay: PeerId): Multiaddr {
  return multiaddr(`/p2p/${relay}/p2p-circuit`);
}

/**
 * Reads `/p2p/RELAY/p2p-circuit/p2p/PEER`. The relay's URL is not part of it: each peer reaches the relay its own way
 * (through its proxy, under an inner name), and the relay's key is the same for all. Null for every other address.
 */
export function parseRelayedAddress(address: Multiaddr): { readonly relay: PeerId; readonly peer: PeerId } | null {
  const [relay, circuit, peer, ...rest] = address.getComponents();
  if (relay?.code !== CODE_P2P || circuit?.code !== CODE_P2P_CIRCUIT || peer?.code !== CODE_P2P) return null;
  if (rest.length > 0 || relay.value === undefined || peer.value === undefined) return null;
  try {
    return { relay: parsePeerId(relay.value), peer: parsePeerId(peer.value) };
  } catch {
    return null;
  }
}

/** True for addresses that lead through a relay, with or without the peer at the end. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some((component) => component.code === CODE_P2P_CIRCUIT);
}
