import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMember, type Member } from './member.ts';
import { clockwise, placeOf } from './place.ts';
import { RingOrder } from './ring-order.ts';
import { createPeers } from './testing/peers.ts';

const peers = createPeers(60, createSeededRandom(4));
const all = () => true;
const key = (index: number) => (peers[index] as (typeof peers)[number]).descriptor.publicKey; // within

describe('a place on the ring', () => {
  it('is the same for all topics in an epoch, and another one in the next', () => {
    expect(placeOf(key(0), 5)).toBe(placeOf(key(0).slice(), 5));
    expect(placeOf(key(0), 5)).not.toBe(placeOf(key(0), 6));
    expect(placeOf(key(0), 5)).toBeLessThan(2n ** 64n);
  });

  it('lies clockwise of another across zero as well', () => {
    expect(clockwise(2n ** 64n - 1n, 1n)).toBe(2n);
    expect(clockwise(1n, 2n ** 64n - 1n)).toBe(2n ** 64n - 2n);
    expect(clockwise(7n, 7n)).toBe(0n);
  });
});

describe('ring order', () => {
  const subset = fc.uniqueArray(fc.integer({ min: 1, max: 59 }), { minLength: 1, maxLength: 59 });

  it('gives the true nearest on both sides, wrapped around the end of the ring (nearest, not extremes of the order)', () => {
    fc.assert(
      fc.property(subset, fc.integer({ min: 0, max: 40 }), (indexes, epoch) => {
        const order = new RingOrder(epoch, key(0));
        for (const index of indexes) order.add(createMember((peers[index] as (typeof peers)[number]).descriptor));
        const place = placeOf(key(0), epoch);
        const sorted = indexes
          .map((index) => ({ index, distance: clockwise(place, placeOf(key(index), epoch)) }))
          .sort((one, other) => (one.distance < other.distance ? -1 : 1))
          .map(({ index }) => (peers[index] as (typeof peers)[number]).descriptor.peer);
        expect(order.successors(3, all).map((member) => member.peer)).toEqual(sorted.slice(0, 3));
        expect(order.predecessors(3, all).map((member) => member.peer)).toEqual(sorted.reverse().slice(0, 3));
      }),
    );
  });

  it('gives those around any place, from both sides in turn, each once', () => {
    fc.assert(
      fc.property(
        subset,
        fc.integer({ min: 1, max: 59 }),
        fc.integer({ min: 1, max: 12 }),
        (indexes, target, count) => {
          const order = new RingOrder(3, key(0));
          for (const index of indexes) order.add(createMember((peers[index] as (typeof peers)[number]).descriptor));
          const to = peers[target]?.descriptor;
          const isOther = (member: Member) => member.peer !== to?.peer;
          const found = order.around(key(target), count, isOther).map((member) => member.peer);
          const others = indexes.filter((index) => index !== target);
          expect(new Set(found).size).toBe(found.length);
          expect(found.length).toBe(Math.min(count, others.length));
          const place = placeOf(key(target), 3);
          const nearest = others
            .map((index) => ({ index, distance: clockwise(place, placeOf(key(index), 3)) }))
            .sort((one, other) => (one.distance < other.distance ? -1 : 1))
            .map(({ index }) => peers[index]?.descriptor.peer);
          if (nearest.length > 0) expect(found).toContain(nearest[0]);
          if (nearest.length > 1 && count > 2) expect(found).toContain(nearest.at(-1));
        },
      ),
    );
  });
});
