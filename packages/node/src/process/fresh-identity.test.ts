import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom, type Logger, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFreshIdentity, refreshDaily } from './fresh-identity.ts';

const dayMs = 86_400_000;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-fresh-'));
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

describe('an identity kept fresh', () => {
  it('is made at the first start, and has a new sealing key after a month and the same address', async () => {
    const clock = new VirtualClock();
    const deps = { clock, random: createSystemRandom() };
    const place = { file: join(directory, 'identity.json'), keyFile: join(directory, 'identity.key') };
    const made = await openFreshIdentity(place, deps);
    const first = await openFreshIdentity(place, deps);
    expect(first.peerId).toBe(made.peerId);
    await clock.advance(31 * dayMs);
    const later = await openFreshIdentity(place, deps);
    expect(later.peerId).toBe(made.peerId);
    expect(later.sealing.epoch).toBeGreaterThan(first.sealing.epoch);
  });

  it('is looked at once a day, the day after a failure too, until disposed', async () => {
    const clock = new VirtualClock();
    const errors: string[] = [];
    const logger: Logger = { ...silentLogger, error: (message) => void errors.push(message) };
    let looks = 0;
    const refreshing = refreshDaily(
      async () => {
        looks += 1;
        if (looks === 1) throw new Error('no disk');
      },
      { clock, logger },
    );
    await clock.advance(2 * dayMs);
    expect([looks, errors]).toEqual([2, ['the sealing key could not be refreshed']]);
    refreshing[Symbol.dispose]();
    await clock.advance(5 * dayMs);
    expect(looks).toBe(2);
  });
});
