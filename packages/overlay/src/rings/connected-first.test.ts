import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { connectedFirst } from './connected-first.ts';

const random = createSeededRandom(1);
const pool = Array.from({ length: 20 }, (_, index) => index);

describe('a choice of members', () => {
  it('holds no more without a connection than it may, though fewer are chosen', () => {
    const isConnected = (one: number) => one < 3;
    for (const unconnectedMax of [0, 1, 5]) {
      const chosen = connectedFirst(pool, 10, { connectedShare: 0.5, unconnectedMax }, { random, isConnected });
      expect(chosen).toHaveLength(3 + unconnectedMax);
      expect(new Set(chosen).size).toBe(chosen.length);
    }
  });

  it('takes those in front first, of each kind', () => {
    const isConnected = (one: number) => one % 2 === 0;
    const chosen = connectedFirst(pool, 8, { connectedShare: 0.5, unconnectedMax: 20 }, { random, isConnected });
    const even = chosen.filter(isConnected);
    const odd = chosen.filter((one) => !isConnected(one));
    expect(even).toEqual(even.toSorted((one, other) => one - other));
    expect(odd).toEqual(odd.toSorted((one, other) => one - other));
    expect(Math.max(...chosen)).toBeLessThan(16);
  });

  it('is of connected ones alone where their share is all', () => {
    const reach = { connectedShare: 1, unconnectedMax: 20 };
    const isConnected = (one: number) => one >= 10;
    expect(connectedFirst(pool, 10, reach, { random, isConnected }).every(isConnected)).toBe(true);
  });
});
