import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { generateRecording } from '../recordings/generator.ts';
import type { Window } from '../windows/window.ts';
import { windowsOf } from './dataset.ts';
import { createPredictor, inputKinds, predictWindowsMax, roundScore } from './predictor.ts';
import { ModelFileError } from './protobuf.ts';

const recording = generateRecording(
  {
    name: 'g',
    stretches: [
      { rhythm: 'sinus', seconds: 600 },
      { rhythm: 'fibrillation', seconds: 600 },
    ],
  },
  { random: createSeededRandom(11) },
);

describe('the predictor', () => {
  it('gives sinus rhythm low scores and fibrillation high ones, for each kind of input', async () => {
    await using predictor = await createPredictor({ engine: 'builtin' }, { logger: silentLogger });
    for (const input of inputKinds) {
      const predictions = await predictor.predict(windowsOf(recording, input));
      const meanBetween = (from: number, until: number) => {
        const scores = predictions.flatMap(({ startSeconds, score }) =>
          startSeconds >= from && startSeconds < until && score !== null ? [score] : [],
        );
        return scores.reduce((sum, score) => sum + score, 0) / scores.length;
      };
      expect(meanBetween(0, 590)).toBeLessThan(0.15);
      expect(meanBetween(610, 1190)).toBeGreaterThan(0.85);
    }
  });

  it('gives the same scores natively and by itself, in any company', async (context) => {
    const native = await createPredictor({ engine: 'onnxruntime' }, { logger: silentLogger }).catch(() => null);
    if (native === null) return context.skip('onnxruntime-node is not installed');
    await using builtin = await createPredictor({ engine: 'builtin' }, { logger: silentLogger });
    for (const input of inputKinds) {
      const windows = windowsOf(recording, input);
      const [one, other] = [await native.predict(windows), await builtin.predict(windows)];
      const alone = await native.predict(windows.slice(20, 21));
      expect(alone[0]).toEqual(one[20]);
      for (const [index, prediction] of one.entries()) {
        expect(prediction.modelId).toBe(other[index]?.modelId);
        expect(Math.abs((prediction.score ?? 0) - (other[index]?.score ?? 0))).toBeLessThanOrEqual(1e-4 + 1e-9);
      }
      expect(one.filter((prediction, index) => prediction.score !== other[index]?.score).length).toBeLessThanOrEqual(1);
    }
    await native[Symbol.asyncDispose]();
  });

  it('gives no score to a window that is not usable, and keeps the order', async () => {
    await using predictor = await createPredictor({ engine: 'builtin' }, { logger: silentLogger });
    const [first, second] = windowsOf(recording, 'rr').slice(3, 5) as [Window, Window];
    const unusable: Window = { ...first, quality: { ...first.quality, isUsable: false } };
    const wrist: Window = { ...second, input: 'wrist' };
    const predictions = await predictor.predict([unusable, wrist, first]);
    expect(predictions.map(({ startSeconds, input }) => [startSeconds, input])).toEqual([
      [first.startSeconds, 'rr'],
      [second.startSeconds, 'wrist'],
      [first.startSeconds, 'rr'],
    ]);
    expect(predictions[0]?.score).toBeNull();
    expect(predictions[1]?.score).not.toBeNull();
    expect(predictions[1]?.modelId).toBe(predictor.modelId('wrist'));
    expect(predictor.modelId('rr')).toMatch(/^[0-9a-f]{16}$/);
  });

  it('takes no more windows at once than its limit, and no model file that is not there', async () => {
    await using predictor = await createPredictor({ engine: 'builtin' }, { logger: silentLogger });
    const [window] = windowsOf(recording, 'rr') as [Window];
    await expect(predictor.predict(new Array<Window>(predictWindowsMax + 1).fill(window))).rejects.toThrow('at most');
    const empty = await mkdtemp(join(tmpdir(), 'pulsemesh-models-'));
    await expect(createPredictor({ modelsDirectory: empty }, { logger: silentLogger })).rejects.toThrow(ModelFileError);
    await rm(empty, { recursive: true });
  });

  it('rounds scores to steps of a ten-thousandth within 0 and 1', () => {
    expect([0.123449, 1.2, -0.1].map(roundScore)).toEqual([0.1234, 1, 0]);
    expect(() => roundScore(Number.NaN)).toThrow('finite');
  });
});
