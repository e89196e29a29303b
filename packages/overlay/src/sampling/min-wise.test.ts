import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MinWise } from './min-wise.ts';

const peer = (number: number) => `peer ${number}` as PeerId; // any text will do here
const streams = fc.array(fc.nat(40).map(peer), { minLength: 1, maxLength: 100 });
const made = (seed: number, slots = 12) => new MinWise(slots, { random: createSeededRandom(seed) });

describe('the min-wise history', () => {
  it('depends on which peers were named, not on how often or in which order', () => {
    fc.assert(
      fc.property(streams, fc.integer(), (stream, seed) => {
        const one = made(seed);
        const other = made(seed);
        for (const named of stream) one.feed(named);
        for (const named of [...new Set(stream)].reverse()) other.feed(named);
        expect(one.peers()).toEqual(other.peers());
      }),
    );
  });

  it('gives a peer named a thousand times the place of one named once', () => {
    let often = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const history = made(seed, 10);
      for (let time = 0; time < 1_000; time += 1) history.feed(peer(0));
      for (let other = 1; other < 10; other += 1) history.feed(peer(other));
      for (let time = 0; time < 10; time += 1) if (history.pick() === peer(0)) often += 1;
    }
    expect(often / 2_000).toBeCloseTo(0.1, 1);
  });

  it('says when somebody new took a place of another, which happens ever more seldom', () => {
    const history = made(3, 10);
    expect(history.feed(peer(0))).toBe(false);
    const places = (from: number) =>
      Array.from({ length: 200 }, (_, at) => history.feed(peer(from + at))).filter(Boolean);
    const first = places(1).length;
    expect(first).toBeGreaterThan(places(201).length);
    expect(places(1)).toEqual([]);
  });

  it('forgets a dead peer in all its slots, and another fills them', () => {
    const history = made(1);
    history.feed(peer(1));
    expect(history.peers()).toEqual([peer(1)]);
    history.reseed(peer(1));
    expect(history.peers()).toEqual([]);
    expect(history.pick()).toBeUndefined();
    history.feed(peer(2));
    expect(history.peers()).toEqual([peer(2)]);
  });

  it('gives a peer whose descriptor ran out its slots again when it comes back', () => {
    const history = made(2);
    for (let number = 0; number < 20; number += 1) history.feed(peer(number));
    const before = history.peers();
    const [gone] = before as [PeerId];
    history.empty(gone);
    expect(history.peers()).not.toContain(gone);
    for (let number = 0; number < 20; number += 1) history.feed(peer(number));
    expect(history.peers()).toEqual(before);
  });
});
