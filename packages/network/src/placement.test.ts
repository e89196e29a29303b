import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placementCacheMax, rankPeers } from './placement.ts';

const peerId = (number: number) => `12D3KooWPeer${number}` as PeerId;
const somePeers = fc.uniqueArray(fc.nat(10_000), { minLength: 1, maxLength: 12 }).map((list) => list.map(peerId));

describe('placement', () => {
  it('gives everybody the same order, however the peers are listed', () => {
    fc.assert(
      fc.property(fc.string(), somePeers, (key, peers) => {
        const ranked = rankPeers(key, peers);
        expect([...ranked].sort()).toEqual([...peers].sort());
        expect(rankPeers(key, [...peers].reverse())).toEqual(ranked);
      }),
    );
  });

  it('leaves the order of the others as it was when a peer goes', () => {
    fc.assert(
      fc.property(fc.string(), somePeers, fc.nat(), (key, peers, pick) => {
        const gone = peers[pick % peers.length];
        const rest = peers.filter((peer) => peer !== gone);
        expect(rankPeers(key, rest)).toEqual(rankPeers(key, peers).filter((peer) => peer !== gone));
      }),
    );
  });

  it('spreads keys evenly over peers, the first places and the second', () => {
    const peers = [1, 2, 3, 4, 5].map(peerId);
    const counts = new Map<string, number>();
    for (let key = 0; key < 10_000; key += 1) {
      const [first, second] = rankPeers(`key ${key}`, peers);
      for (const place of [`1 ${first}`, `2 ${second}`]) counts.set(place, (counts.get(place) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    // Binomial: 2,000 expected, standard deviation 40; five of them on either side.
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });

  it('moves to a new peer about its share of the keys, and none between the old ones', () => {
    const before = [1, 2, 3].map(peerId);
    const after = [...before, peerId(4)];
    let moved = 0;
    for (let key = 0; key < 4_000; key += 1) {
      const [owner] = rankPeers(`key ${key}`, before);
      const [newOwner] = rankPeers(`key ${key}`, after);
      if (owner === newOwner) continue;
      moved += 1;
      expect(newOwner).toBe(peerId(4));
    }
    expect(Math.abs(moved - 1000)).toBeLessThan(140);
  });

  it('gives the same order after its caches were full', () => {
    const peers = [1, 2, 3].map(peerId);
    const ranked = rankPeers('the one', peers);
    for (let key = 0; key < placementCacheMax + 10; key += 1) rankPeers(`filler ${key}`, peers.slice(0, 1));
    expect(rankPeers('the one', peers)).toEqual(ranked);
  });

  it('has no order of nobody', () => {
    expect(rankPeers('key', [])).toEqual([]);
  });
});
