import { describe, expect, it } from 'vitest';
import { pipelineDefaults, runPipeline } from './pipeline.ts';

const seeds = Array.from({ length: 20 }, (_, index) => index + 1);

describe('the way of a reading', () => {
  it.each(seeds)('loses nothing, doubles nothing and alerts once per episode (seed %i)', async (seed) => {
    const { violations } = await runPipeline({ ...pipelineDefaults, seed, recordingSeconds: 360, patients: 2 });
    expect(violations, `npm run simulate -- pipeline --seed ${seed} --seconds 360 --patients 2`).toEqual([]);
  });

  // Each of these once raised an alert twice, or not at all.
  it.each([5001, 5071, 5122, 9215, 9282])('holds through twenty faults as well (seed %i)', async (seed) => {
    const { violations } = await runPipeline({ ...pipelineDefaults, seed, patients: 4, faults: 20 });
    expect(violations, `npm run simulate -- pipeline --seed ${seed} --patients 4 --faults 20`).toEqual([]);
  });

  it('is the same for the same seed, and another for another', async () => {
    const hashOf = async (seed: number) =>
      (await runPipeline({ ...pipelineDefaults, seed, recordingSeconds: 60, patients: 1 })).traceHash;
    const first = await hashOf(7);
    expect(await hashOf(7)).toBe(first);
    expect(await hashOf(8)).not.toBe(first);
  });

  it('sees what is wrong: an episode that ends too early for an alert is missed by the count', async () => {
    const { violations } = await runPipeline({ ...pipelineDefaults, seed: 1, recordingSeconds: 100, faults: 0 });
    expect(violations.join('\n')).toContain('wearable-0: 0 alerts, expected 1');
  });
});
