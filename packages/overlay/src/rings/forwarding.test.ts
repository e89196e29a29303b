import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { chooseTargets, sideOf } from './forwarding.ts';

const peer = (name: string) => name as PeerId; // a peer is compared, never read, here
const shape = {
  epoch: 1,
  successors: [peer('s1'), peer('s2')],
  predecessors: [peer('p1'), peer('p2')],
};
const shortcuts = Array.from({ length: 20 }, (_, index) => peer(`x${index}`));
const dependencies = { random: createSeededRandom(1), isConnected: () => false };
const base = { shapes: [shape], shortcuts, from: null, fanOut: 3, connectedShare: 0.8 };

describe('the forwarding rule', () => {
  it('sends our own event both ways, and to random members up to the fan-out', () => {
    const { ring, random } = chooseTargets(base, dependencies);
    expect(ring).toEqual(['s1', 'p1']);
    expect(random).toHaveLength(1);
    expect(chooseTargets({ ...base, fanOut: 2 }, dependencies).random).toEqual([]);
    expect(chooseTargets({ ...base, fanOut: 5 }, dependencies).random).toHaveLength(3);
  });

  it('keeps the direction of what came along the ring, on the side of the sender and by no comparison of places', () => {
    for (const from of ['p1', 'p2']) {
      expect(chooseTargets({ ...base, from: peer(from) }, dependencies).ring).toEqual(['s1']);
    }
    for (const from of ['s1', 's2']) {
      expect(chooseTargets({ ...base, from: peer(from) }, dependencies).ring).toEqual(['p1']);
    }
  });

  it('sends both ways what came from anybody else', () => {
    const { ring, random } = chooseTargets({ ...base, from: peer('x3') }, dependencies);
    expect(ring).toEqual(['s1', 'p1']);
    expect(random).toHaveLength(1);
  });

  it('never sends back, and never to one twice', () => {
    for (let turn = 0; turn < 200; turn += 1) {
      const { ring, random } = chooseTargets({ ...base, from: peer('x3'), fanOut: 12 }, dependencies);
      expect(random).not.toContain('x3');
      expect(new Set([...ring, ...random]).size).toBe(12);
    }
  });

  it('closes the ring where members are so few that they stand on both sides', () => {
    const two = { epoch: 1, successors: [peer('b')], predecessors: [peer('b')] };
    expect(chooseTargets({ ...base, shapes: [two], shortcuts: [] }, dependencies).ring).toEqual(['b']);
    expect(chooseTargets({ ...base, shapes: [two], shortcuts: [], from: peer('b') }, dependencies).ring).toEqual([]);
    const three = { epoch: 1, successors: [peer('b'), peer('c')], predecessors: [peer('c'), peer('b')] };
    expect(sideOf(three, peer('b'))).toBe('successor');
    expect(sideOf(three, peer('c'))).toBe('predecessor');
    expect(chooseTargets({ ...base, shapes: [three], shortcuts: [], from: peer('b') }, dependencies).ring).toEqual([
      'c',
    ]);
  });

  it('takes the next of a side where the first is the sender', () => {
    const other = { ...shape, predecessors: [peer('p1'), peer('p2')], successors: [peer('p1'), peer('s2')] };
    expect(chooseTargets({ ...base, shapes: [other], from: peer('p1') }, dependencies).ring).toEqual(['s2']);
  });

  it('serves both orders while an epoch ends, with as many random targets as with one', () => {
    const next = { epoch: 2, successors: [peer('n1')], predecessors: [peer('m1')] };
    const { ring, random } = chooseTargets({ ...base, shapes: [shape, next], from: peer('p1') }, dependencies);
    expect(ring).toEqual(['s1', 'n1', 'm1']);
    expect(random).toHaveLength(2);
  });

  it('prefers connected members, and still takes others now and then', () => {
    const isConnected = (one: PeerId) => one === 'x1' || one === 'x2' || one === 'x3';
    const counts = new Map<string, number>();
    for (let turn = 0; turn < 1_000; turn += 1) {
      for (const one of chooseTargets(base, { ...dependencies, isConnected }).random) {
        counts.set(one, (counts.get(one) ?? 0) + 1);
      }
    }
    const connected = (counts.get('x1') ?? 0) + (counts.get('x2') ?? 0) + (counts.get('x3') ?? 0);
    expect(connected).toBeGreaterThan(750);
    expect(connected).toBeLessThan(850);
    expect(counts.size).toBe(20);
  });
});
