import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { shortContentId } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { featureCount } from './features.ts';
import { encodeOnnx } from './onnx.ts';
import { shippedModelsDirectory } from './predictor.ts';
import {
  modelInService,
  openServicePredictor,
  provenanceOf,
  putIntoService,
  takeOutOfService,
} from './service-models.ts';
import { trainNetwork } from './trainer.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-models-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A model file; another seed, another file. */
function modelBytes(seed: number): Uint8Array {
  const random = createSeededRandom(seed);
  const set = {
    features: Float64Array.from({ length: featureCount * 8 }, () => random.float()),
    labels: Uint8Array.from({ length: 8 }, (_, index) => index % 2),
    weights: new Float64Array(8).fill(1),
    featureCount,
  };
  const trainer = { hidden: [4], epochs: 1, batchSize: 4, learningRate: 1e-3, weightDecay: 0 };
  return encodeOnnx(trainNetwork(set, trainer, random));
}

const provenance = { task: 'a'.repeat(64), sinceMs: 1 };

describe('models in service', () => {
  it('are the shipped ones until another is put there, and again after it was taken out', async () => {
    const shipped = shortContentId(await readFile(join(shippedModelsDirectory, 'rr.onnx')));
    expect(shortContentId(await modelInService(directory, 'rr'))).toBe(shipped);
    const modelId = await putIntoService(directory, 'rr', modelBytes(1), provenance);
    expect(shortContentId(await modelInService(directory, 'rr'))).toBe(modelId);
    expect(await provenanceOf(directory, 'rr')).toEqual({ ...provenance, modelId });
    const later = await putIntoService(directory, 'rr', modelBytes(2), provenance);
    expect(later).not.toBe(modelId);
    await takeOutOfService(directory, 'rr');
    expect(shortContentId(await modelInService(directory, 'rr'))).toBe(modelId);
    await takeOutOfService(directory, 'rr');
    expect(shortContentId(await modelInService(directory, 'rr'))).toBe(shipped);
    expect(await provenanceOf(directory, 'rr')).toBeNull();
  });

  it('refuse bytes that are no model, and change nothing', async () => {
    await expect(putIntoService(directory, 'rr', new Uint8Array(10), provenance)).rejects.toMatchObject({
      name: 'ModelFileError',
    });
    expect(await provenanceOf(directory, 'rr')).toBeNull();
  });

  it('take over in a running predictor, and a broken file leaves the one before in service', async () => {
    const clock = new VirtualClock();
    await using predictor = await openServicePredictor(
      { directory, engine: 'builtin' },
      { clock, logger: silentLogger },
    );
    const shipped = predictor.modelId('rr');
    const modelId = await putIntoService(directory, 'rr', modelBytes(1), provenance);
    expect(predictor.modelId('rr')).toBe(shipped);
    await clock.advance(5_000);
    await expect.poll(() => predictor.modelId('rr')).toBe(modelId);
    expect(predictor.modelId('hr')).not.toBe(modelId);
    await writeFile(join(directory, 'rr.onnx'), 'not a model');
    await clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(predictor.modelId('rr')).toBe(modelId);
    expect(await predictor.predict([])).toEqual([]);
  });
});
