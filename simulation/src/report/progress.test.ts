import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { startProgress } from './progress.ts';

describe('startProgress', () => {
  it('tells how far a run is, not more often than every two seconds', async () => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const onProgress = startProgress((line) => lines.push(line), 'rings seed 1', clock);
    for (let step = 0; step < 50; step += 1) {
      onProgress(step * 1_000, 50_000);
      await clock.advance(100);
    }
    expect(lines).toEqual([
      'rings seed 1: 40 %, 20.0 virtual seconds in 2.0',
      'rings seed 1: 80 %, 40.0 virtual seconds in 4.0',
    ]);
  });
});
