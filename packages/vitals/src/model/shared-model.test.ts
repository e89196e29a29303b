import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { type GeneratedStretch, generateRecording } from '../recordings/generator.ts';
import { recordedWindows } from './dataset.ts';
import { featureNames } from './features.ts';
import { trainingSetOf } from './folds.ts';
import { decodeOnnx, encodeOnnx } from './onnx.ts';
import { areaUnderCurve } from './scoring.ts';
import { createSharedRhythmModel, networkOfState, type SharedWork, sharedParameterCount } from './shared-model.ts';
import { standardisationOf } from './trainer.ts';

const stretches: readonly GeneratedStretch[] = [
  { rhythm: 'sinus', seconds: 600 },
  { rhythm: 'ectopy', seconds: 300 },
  { rhythm: 'fibrillation', seconds: 600 },
];
const heart = (seed: number) =>
  recordedWindows(generateRecording({ name: 'g', stretches }, { random: createSeededRandom(seed) }), 'rr');
const set = trainingSetOf([heart(1), heart(2)]);
const table = { values: set.features, labels: set.labels };
const work: SharedWork = {
  model: { family: 'rhythm', inputs: 23, hidden: [32, 16], parameters: 1313 },
  proximal: 0,
  localEpochs: 3,
  batchSize: 32,
  learningRate: 5e-3,
  weightDecay: 0.6,
  seed: 1,
};
const model = createSharedRhythmModel();
const start = { ...model.publicStandardisation(), weights: model.firstWeights(work) };
const train = () => model.train(start, table, { work, from: 0, until: 1, random: createSeededRandom(3) });

describe('the shared rhythm model', () => {
  it('trains from given weights to better ones, the same each time', () => {
    const after = { ...start, weights: Float32Array.from(train()) };
    expect(after.weights.length).toBe(sharedParameterCount([32, 16]));
    expect(areaUnderCurve(model.scores(after, table), table.labels)).toBeGreaterThan(0.99);
    expect(train()).toEqual(train());
    expect(start.weights).toEqual(model.firstWeights(work));
  });

  it('becomes the file that a predictor reads, and scores the same from it', () => {
    const state = { ...start, weights: Float32Array.from(train()) };
    const { network } = decodeOnnx(encodeOnnx(networkOfState(state), { input: 'rr' }));
    expect(network).toEqual(networkOfState(state));
  });

  it('has a public standardisation near that of real features', () => {
    const { means, scales } = standardisationOf(set);
    for (const [index, name] of featureNames.entries()) {
      const away = Math.abs((start.means[index] as number) - (means[index] as number)) * (scales[index] as number);
      expect(away, name).toBeLessThan(1);
    }
  });

  it('says why another work is none of its own', () => {
    expect(model.fault(work)).toBeNull();
    const change = (changes: object) => model.fault({ ...work, model: { ...work.model, ...changes } });
    expect(change({ inputs: 22 })).toContain('inputs');
    expect(change({ hidden: [4] })).toContain('hidden layers 32-16');
    expect(change({ parameters: 5 })).toContain('parameters');
  });
});
