import { describe, expect, it } from 'vitest';
import { peerOf } from '../testing.ts';
import { goneShownMs, peersShownMax, rememberNetwork } from './network-memory.ts';

describe('the memory of the network', () => {
  it('greys out a peer that leaves the list, forgets it later, and welcomes it back', () => {
    const storage = peerOf({ peerId: 's', connections: ['g'] });
    const gateway = peerOf({ peerId: 'g', roles: ['gateway'] });
    const first = rememberNetwork(null, { self: 'g', peers: [gateway, storage] }, 0);
    expect(first.peers.map(({ peerId }) => peerId)).toEqual(['s', 'g']);
    const gone = rememberNetwork(first, { self: 'g', peers: [gateway] }, 1_000);
    expect(gone.peers[0]).toMatchObject({ peerId: 's', isAlive: false, connections: [], goneSinceMs: 1_000 });
    expect(rememberNetwork(gone, { self: 'g', peers: [gateway] }, 1_000 + goneShownMs).peers).toHaveLength(1);
    const back = rememberNetwork(gone, { self: 'g', peers: [gateway, storage] }, 2_000);
    expect(back.peers[0]).toMatchObject({ isAlive: true, goneSinceMs: null });
  });

  it('draws no more peers than its limit and counts the rest', () => {
    const peers = Array.from({ length: peersShownMax + 7 }, (_, index) => peerOf({ peerId: `p${index}` }));
    const shown = rememberNetwork(null, { self: 'p0', peers }, 0);
    expect([shown.peers.length, shown.hiddenCount]).toEqual([peersShownMax, 7]);
  });
});
