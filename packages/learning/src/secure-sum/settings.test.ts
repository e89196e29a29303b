import { AssertionError } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neighbourhoods } from './graph.ts';
import { customarySumGraph, runIdOf, type SumSettings, secureSumLimits, sumSettingsFault } from './settings.ts';
import { settingsOf, sitesOf } from './testing.ts';

const named = (count: number) => Array.from({ length: count }, (_, index) => `site ${index}` as PeerId);

describe('the settings of a sum', () => {
  it.each<readonly [string | null, Partial<SumSettings>]>([
    [null, {}],
    ['number of sites', { sites: named(2) }],
    [
      'number of sites',
      { sites: named(secureSumLimits.sitesMax + 1), neighbours: 20, threshold: 14, survivorsMin: 14 },
    ],
    [null, { sites: named(secureSumLimits.sitesMax), neighbours: 20, threshold: 14, survivorsMin: 14 }],
    ['a site twice', { sites: [...named(4), ...named(1)] }],
    ['vector length', { vectorLength: 0 }],
    ['vector length', { vectorLength: secureSumLimits.vectorLengthMax + 1 }],
    ['round or attempt', { round: 0 }],
    ['round or attempt', { attempt: 0.5 }],
    ['number of neighbours', { neighbours: 3 }],
    ['number of neighbours', { neighbours: 0 }],
    ['number of neighbours', { sites: named(256), neighbours: 'all', threshold: 200, survivorsMin: 200 }],
    ['threshold', { threshold: 2 }],
    ['threshold', { threshold: 6, survivorsMin: 6 }],
    ['least number of survivors', { survivorsMin: 3 }],
    ['least number of survivors', { survivorsMin: 6 }],
  ])('%s: %j', (fault, changes) => {
    expect(sumSettingsFault(settingsOf(5, changes))).toBe(fault);
  });

  it('name the run: another value anywhere is another run', () => {
    const others: Partial<SumSettings>[] = [
      { task: 'b'.repeat(64) },
      { round: 2 },
      { attempt: 2 },
      { sites: [...settingsOf(5).sites].reverse() },
      { vectorLength: 8 },
      { neighbours: 4 },
      { threshold: 3 },
      { survivorsMin: 5 },
    ];
    const idOf = (changes: Partial<SumSettings>) => Buffer.from(runIdOf(settingsOf(5, changes))).toString('hex');
    expect(new Set([{}, ...others].map(idOf)).size).toBe(others.length + 1);
    expect(() => runIdOf(settingsOf(5, { round: 0 }))).toThrow(AssertionError);
  });

  it('have a customary graph for every number of sites and share that may be gone', () => {
    for (const goneShareMax of [0, 0.1, 0.3]) {
      for (const count of [3, 4, 5, 10, 32, 33, 41, 42, 100, 1024]) {
        const graph = customarySumGraph(count, { goneShareMax });
        expect(
          sumSettingsFault(settingsOf(3, { ...graph, sites: named(count), survivorsMin: graph.threshold })),
        ).toBeNull();
      }
    }
    expect(sitesOf(2)).toHaveLength(2);
  });
});

describe('the graph', () => {
  const seedOf = (byte: number) => ({ runId: new Uint8Array(32).fill(byte), keysHash: new Uint8Array(32) });
  const places = fc.uniqueArray(fc.nat({ max: 1023 }), { minLength: 3, maxLength: 120 });

  it('gives each member as many neighbours, mutual, sorted, never itself, and all are connected', () => {
    fc.assert(
      fc.property(places, fc.integer({ min: 1, max: 15 }), fc.nat({ max: 255 }), (found, half, byte) => {
        const members = [...found].sort((one, other) => one - other);
        const graph = neighbourhoods(members, 2 * half, seedOf(byte));
        for (const [member, near] of graph) {
          expect(near).toHaveLength(Math.min(2 * half, members.length - 1));
          expect([...new Set(near)].sort((one, other) => one - other)).toEqual(near);
          for (const other of near) expect(graph.get(other)).toContain(member);
          expect(near).not.toContain(member);
        }
        const reached = new Set([members[0] as number]);
        for (const member of reached) for (const other of graph.get(member) ?? []) reached.add(other);
        expect(reached.size).toBe(members.length);
      }),
      { numRuns: 40 },
    );
  });

  it('is another one for another run or list of keys, and the same for the same', () => {
    const members = Array.from({ length: 60 }, (_, index) => index);
    const textOf = (seed: ReturnType<typeof seedOf>) => JSON.stringify([...neighbourhoods(members, 20, seed)].sort());
    expect(textOf(seedOf(1))).toBe(textOf(seedOf(1)));
    expect(textOf(seedOf(2))).not.toBe(textOf(seedOf(1)));
    expect(textOf({ ...seedOf(1), keysHash: new Uint8Array(32).fill(1) })).not.toBe(textOf(seedOf(1)));
  });

  it('is a published one, so that others can draw the same', () => {
    const members = Array.from({ length: 7 }, (_, index) => index);
    expect([...neighbourhoods(members, 2, seedOf(0))].sort()).toMatchInlineSnapshot(`
      [
        [
          0,
          [
            2,
            6,
          ],
        ],
        [
          1,
          [
            3,
            6,
          ],
        ],
        [
          2,
          [
            0,
            4,
          ],
        ],
        [
          3,
          [
            1,
            5,
          ],
        ],
        [
          4,
          [
            2,
            5,
          ],
        ],
        [
          5,
          [
            3,
            4,
          ],
        ],
        [
          6,
          [
            0,
            1,
          ],
        ],
      ]
    `);
  });
});
