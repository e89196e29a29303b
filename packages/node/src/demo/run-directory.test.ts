import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, it } from 'vitest';
import { freshRunDirectory } from './run-directory.ts';

it('is new each time, and few old ones stay', async () => {
  const data = mkdtempSync(join(tmpdir(), 'pulsemesh-runs-'));
  const clock = new VirtualClock();
  const made: string[] = [];
  for (let run = 0; run < 5; run += 1) {
    made.push(freshRunDirectory(data, clock));
    await clock.advance(1_000);
  }
  expect(readdirSync(join(data, 'runs')).map((name) => join(data, 'runs', name))).toEqual(made.slice(-3));
});
