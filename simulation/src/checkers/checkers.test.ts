import { createSeededRandom } from '@pulsemesh/base';
import type { Descriptor } from '@pulsemesh/overlay/protocol';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { ringPlace } from '../behaviours/ring-takeover.ts';
import { createIdentity } from '../fleet/identity.ts';
import type { Place } from '../network/place.ts';
import { LinkWatch } from './links.ts';
import { ringFigures } from './rings.ts';
import { viewFigures } from './views.ts';

const random = createSeededRandom(1);
const epoch = 20_000;
const keys = Array.from({ length: 5 }, () => random.bytes(32)).sort((one, other) => {
  return ringPlace(one, epoch) < ringPlace(other, epoch) ? -1 : 1;
});
const peer = (index: number): PeerId => peerIdOfEd25519(keys[(index + 5) % 5] ?? new Uint8Array(32));

describe('ringFigures', () => {
  const right = keys.map((publicKey, index) => ({
    peer: peer(index),
    publicKey,
    successors: [peer(index + 1)],
    predecessors: [peer(index - 1)],
  }));

  it('knows the true neighbours, also across the end of the order', () => {
    expect(ringFigures(right, epoch)).toEqual({ members: 5, correctShare: 1, halfCorrectShare: 1, aloneShare: 0 });
  });

  it('sees who is wrong on one side, and who knows nobody', () => {
    const members = right.map((member, index) => {
      if (index === 0) return { ...member, successors: [peer(2)] };
      return index === 1 ? { ...member, successors: [], predecessors: [] } : member;
    });
    expect(ringFigures(members, epoch)).toMatchObject({ correctShare: 0.6, halfCorrectShare: 0.8, aloneShare: 0.2 });
  });
});

describe('viewFigures', () => {
  it('counts attackers, the isolated, and how evenly peers are known', () => {
    const made = Array.from({ length: 4 }, (_, index) => {
      return createIdentity({ index, subnets: 9, startMs: 1.8e12 }, random).descriptor;
    });
    const [a, b, bad, worse] = made as [Descriptor, Descriptor, Descriptor, Descriptor];
    const nodes = [
      { self: a.peer, view: [b, bad] },
      { self: b.peer, view: [bad, worse] },
    ];
    const isByzantine = (peer: PeerId) => peer === bad.peer || peer === worse.peer;
    expect(viewFigures(nodes, isByzantine)).toEqual({
      byzantineShare: 0.75,
      isolated: 1,
      sizeMean: 2,
      inDegreeSpread: 1,
    });
  });
});

describe('LinkWatch', () => {
  it('reports an honest place that holds more than it may, and lets attackers', () => {
    const places = [{ linksMax: 2 }, { linksMax: 2, isByzantine: true }] as Place[];
    const watch = new LinkWatch(places);
    watch.linked(0, 2);
    watch.linked(1, 3);
    expect(watch.violations()).toEqual([]);
    watch.linked(0, 3);
    expect(watch.violations()).toHaveLength(1);
    expect(watch.most).toBe(3);
  });
});
