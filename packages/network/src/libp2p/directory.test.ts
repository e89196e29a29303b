import type { ContentRouting } from '@libp2p/interface';
import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Directory, directoryCid, directoryLimits } from './directory.ts';

let directory: Directory | undefined;
afterEach(() => directory?.[Symbol.asyncDispose]());

function setUp(provide: (cid: string) => Promise<void>) {
  const clock = new VirtualClock();
  const cancelled: string[] = [];
  const routing: Pick<ContentRouting, 'provide' | 'cancelReprovide' | 'findProviders'> = {
    provide: (cid) => provide(cid.toString()),
    cancelReprovide: async (cid) => void cancelled.push(cid.toString()),
    findProviders: async function* () {
      await new Promise(() => {});
    },
  };
  const random = createSeededRandom(1);
  directory = new Directory({ routing, clock, random, logger: silentLogger, meter: silentMeter });
  return { clock, directory, cancelled };
}

describe('the directory', () => {
  it('announces one key after the other, in order, no faster than its period', async () => {
    const told: [string, number][] = [];
    const { clock, directory } = setUp(async (cid) => void told.push([cid, clock.monotonicMs()]));
    for (const key of ['a', 'b', 'c', 'b']) directory.provide(key);
    await clock.advance(10_000);
    expect(told.map(([cid]) => cid)).toEqual(['a', 'b', 'c'].map((key) => directoryCid(key).toString()));
    expect(told[2]?.[1]).toBeGreaterThanOrEqual(2 * directoryLimits.periodMs);
  });

  it('repeats what nobody took, with growing pauses, and the others have their turn', async () => {
    const told: string[] = [];
    const bad = directoryCid('bad').toString();
    const { clock, directory } = setUp(async (cid) => {
      told.push(cid);
      if (cid === bad) throw new Error('no peers');
    });
    directory.provide('bad');
    directory.provide('good');
    await clock.advance(600_000);
    expect(told).toContain(directoryCid('good').toString());
    const repeats = told.filter((cid) => cid === bad).length;
    expect(repeats).toBeGreaterThan(5);
    expect(repeats).toBeLessThan(40);
  });

  it('says no more what was withdrawn', async () => {
    const told: string[] = [];
    const { clock, directory, cancelled } = setUp(async (cid) => void told.push(cid));
    directory.provide('a');
    await clock.advance(0);
    directory.withdraw('a');
    directory.provide('b');
    directory.withdraw('b');
    await clock.advance(5_000);
    expect(cancelled).toEqual([directoryCid('a').toString()]);
    expect(told).toEqual([directoryCid('a').toString()]);
  });

  it('refuses more keys than its limit', () => {
    const { directory } = setUp(async () => {});
    for (let key = 0; key < directoryLimits.keysMax; key += 1) directory.provide(`key ${key}`);
    expect(() => directory.provide('one more')).toThrow(expect.objectContaining({ code: 'busy' }));
    expect(() => directory.provide('x'.repeat(directoryLimits.keyLengthMax + 1))).toThrow(
      expect.objectContaining({ code: 'bad-request' }),
    );
  });

  it('ends a look-up when its time is up, with what it has', async () => {
    const { clock, directory } = setUp(async () => {});
    const found = directory.lookUp('a');
    await clock.advance(directoryLimits.lookUpMs);
    expect(await found).toEqual([]);
  });
});
