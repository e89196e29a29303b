import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { expect, it } from 'vitest';
import { peerSamplingLimits } from './options.ts';
import { Seeds } from './seeds.ts';

it('connections that have gone make room for other seeds, those that stand do not', () => {
  const connected = new Set<PeerId>();
  const seeds = new Seeds(10_000, createSeededRandom(1), (peer) => connected.has(peer));
  const peers = Array.from({ length: peerSamplingLimits.seedsMax }, (_, index) => `peer ${index}` as PeerId);
  for (const peer of peers) {
    connected.add(peer);
    seeds.add(peer, null);
  }
  const late = 'late' as PeerId;
  seeds.add(late, null);
  expect([...seeds.peers]).toEqual(peers);
  connected.delete(peers[3] as PeerId);
  seeds.add(late, null);
  expect([...seeds.peers]).toEqual([...peers.filter((_, index) => index !== 3), late]);
});
