import { sha256 } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';

/** Hashes remembered per kind of name; past it the older half is forgotten. */
export const placementCacheMax = 65_536;

/**
 * The peers in the order in which they are responsible for `key`: highest random weight (Thaler and
 * Ravishankar, "Using name-based mappings to increase hit rates", 1998). Everybody who knows the same peers
 * gets the same order; a peer that comes or goes moves only the keys it wins or held. The weight is a 64-bit
 * mix of SHA-256 prefixes of both names: spread evenly, not a secret.
 */
export function rankPeers(key: string, peers: readonly PeerId[]): PeerId[] {
  const keyHash = hashOf(keyHashes, key);
  const ranked: PeerId[] = [];
  const weights: number[] = [];
  for (const peer of peers) {
    const weight = weigh(keyHash, hashOf(peerHashes, peer));
    let at = ranked.length;
    while (at > 0 && isBefore(weight, peer, weights[at - 1] as number, ranked[at - 1] as PeerId)) at -= 1;
    ranked.splice(at, 0, peer);
    weights.splice(at, 0, weight);
  }
  return ranked;
}

function isBefore(weight: number, peer: PeerId, otherWeight: number, otherPeer: PeerId): boolean {
  return weight > otherWeight || (weight === otherWeight && peer < otherPeer);
}

interface Hash {
  readonly high: number;
  readonly low: number;
}

// The finalisers of MurmurHash3 over two 32-bit halves that feed each other; the top 53 bits are the weight.
function weigh(key: Hash, peer: Hash): number {
  let high = key.high ^ peer.low;
  let low = key.low ^ peer.high;
  for (let round = 0; round < 2; round += 1) {
    high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ low;
    low = Math.imul(low ^ (low >>> 13), 0xc2b2ae35) ^ high;
  }
  high = Math.imul(high ^ (high >>> 15), 0x27d4eb2f);
  low = Math.imul(low ^ (low >>> 16) ^ high, 0x165667b1);
  return (high >>> 0) * 0x200000 + (low >>> 11);
}

/** Two generations: the older is dropped whole when the younger is full, so a hit costs one or two look-ups. */
interface HashCache {
  young: Map<string, Hash>;
  old: Map<string, Hash>;
}

const keyHashes: HashCache = { young: new Map(), old: new Map() };
const peerHashes: HashCache = { young: new Map(), old: new Map() };
const utf8 = new TextEncoder();

function hashOf(cache: HashCache, name: string): Hash {
  const known = cache.young.get(name);
  if (known !== undefined) return known;
  let hash = cache.old.get(name);
  if (hash === undefined) {
    const digest = sha256(utf8.encode(name));
    const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
    hash = { high: view.getInt32(0), low: view.getInt32(4) };
  }
  if (cache.young.size >= placementCacheMax / 2) {
    cache.old = cache.young;
    cache.young = new Map();
  }
  cache.young.set(name, hash);
  return hash;
}
