import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GeneratedStretch, generateRecording } from '../recordings/generator.ts';
import type { BeatRecording } from '../recordings/recording.ts';
import { evaluateModel } from './evaluate.ts';
import { patientOf } from './folds.ts';
import { readManifest } from './manifest.ts';
import { createPredictor } from './predictor.ts';
import { trainModels } from './training.ts';

const deps = { logger: silentLogger };
const small = { hidden: [6], epochs: 3, batchSize: 32, learningRate: 5e-3, weightDecay: 0 };
const rhythms: readonly GeneratedStretch[] = [
  { rhythm: 'sinus', seconds: 900 },
  { rhythm: 'fibrillation', seconds: 600 },
  { rhythm: 'ectopy', seconds: 600 },
];
let root = '';
let recordings = '';

function csvOf(recording: BeatRecording): string {
  const changes = recording.rhythms.map(({ atSeconds, rhythm }) => ({ atMs: atSeconds * 1000, rhythm }));
  let elapsedMs = 0;
  const lines = Array.from(recording.rrMs, (rr) => {
    const change = changes[0] !== undefined && changes[0].atMs <= elapsedMs + 1e-6 ? changes.shift() : undefined;
    elapsedMs += rr;
    return change === undefined ? String(rr) : `${rr},${change.rhythm}`;
  });
  return `rr_ms,rhythm\n${lines.join('\n')}\n`;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pulsemesh-training-'));
  recordings = join(root, 'recordings');
  await mkdir(recordings);
  for (let patient = 0; patient < 4; patient += 1) {
    const recording = generateRecording({ name: 'g', stretches: rhythms }, { random: createSeededRandom(patient) });
    await writeFile(join(recordings, `patient${patient}.rr.csv`), csvOf(recording));
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function train(name: string, seed = 1) {
  const outDirectory = join(root, name);
  await trainModels({ recordingsDirectory: recordings, outDirectory, seed, folds: 2, trainer: small }, deps);
  return outDirectory;
}

describe('a training run', () => {
  it('done twice gives the same bytes, and other weights for another seed', async () => {
    const [one, two, other] = [await train('one'), await train('two'), await train('other', 2)];
    for (const file of ['rr.onnx', 'hr.onnx', 'wrist.onnx', 'manifest.json', 'MODEL-CARD.md']) {
      expect((await readFile(join(one, file))).equals(await readFile(join(two, file)))).toBe(true);
    }
    expect((await readFile(join(one, 'rr.onnx'))).equals(await readFile(join(other, 'rr.onnx')))).toBe(false);
  });

  it('writes models that a predictor loads, a manifest that names them and what they saw, and a card', async () => {
    const outDirectory = await train('loaded');
    const manifest = await readManifest(outDirectory);
    await using predictor = await createPredictor({ modelsDirectory: outDirectory, engine: 'builtin' }, deps);
    expect(manifest.models.rr?.modelId).toBe(predictor.modelId('rr'));
    expect(manifest.models.rr?.trainedOn.map(({ name }) => name)).toEqual([
      'patient0',
      'patient1',
      'patient2',
      'patient3',
    ]);
    expect(manifest.models.rr?.unseen?.windows.areaUnderCurve).toBeGreaterThan(0.9);
    const card = await readFile(join(outDirectory, 'MODEL-CARD.md'), 'utf8');
    expect(card).toContain('Screening, not diagnosis');
    expect(card).toContain(predictor.modelId('wrist'));
  });

  it('refuses a folder without labelled recordings', async () => {
    const empty = join(root, 'empty');
    await mkdir(empty);
    await writeFile(join(empty, 'a.rr.csv'), 'rr_ms\n800\n800\n');
    await expect(trainModels({ recordingsDirectory: empty, outDirectory: empty }, deps)).rejects.toThrow(
      'no recording with',
    );
  });
});

describe('an evaluation', () => {
  it('says that the model was trained on what it is evaluated on, even under another name', async () => {
    const modelsDirectory = await train('known');
    const folder = join(root, 'mixed');
    await mkdir(folder);
    await writeFile(join(folder, 'renamed.rr.csv'), await readFile(join(recordings, 'patient0.rr.csv')));
    const fresh = generateRecording({ name: 'f', stretches: rhythms }, { random: createSeededRandom(99) });
    await writeFile(join(folder, 'fresh.rr.csv'), csvOf(fresh));
    await writeFile(
      join(folder, 'monitor.csv'),
      `Time [s], HR\n${Array.from({ length: 100 }, (_, second) => `${second},70`).join('\n')}\n`,
    );
    await writeFile(join(folder, 'broken.rr.csv'), 'rr_ms\n800\nx\n');
    const report = await evaluateModel({ recordingsDirectory: folder, input: 'hr', modelsDirectory }, deps);
    expect(report.model).toMatchObject({ type: 'file', trainedOn: ['renamed'] });
    expect(report.notes.join(' ')).toContain('trained on 1 of these 3');
    expect(report.pooledUnseen?.recordCount).toBe(2);
    expect(report.skipped).toEqual([{ file: 'broken.rr.csv', reason: expect.stringContaining('line 3') }]);
    const monitor = report.records.find(({ name }) => name === 'monitor');
    expect(monitor).toMatchObject({ isLabelled: false, windows: { scoredCount: 10, unlabelledCount: 10 } });
    expect(monitor?.windows.areaUnderCurve).toBeNull();
    const labelled = report.records.find(({ name }) => name === 'fresh');
    expect(labelled?.alerts).toMatchObject({ episodeCount: 1, episodeFoundCount: 1, falseAlertCount: 0 });
    const intervals = await evaluateModel({ recordingsDirectory: folder, input: 'rr', modelsDirectory }, deps);
    expect(intervals.skipped.map(({ file }) => file)).toContain('monitor.csv');
  });

  it('by folds scores each patient by what the others teach, the same each time', async () => {
    const options = { recordingsDirectory: recordings, input: 'rr', folds: 4, trainer: small } as const;
    const report = await evaluateModel(options, deps);
    expect(report.model).toEqual({ type: 'cross-validated', folds: 4, seed: 1 });
    expect(report.pooled.windows.areaUnderCurve).toBeGreaterThan(0.9);
    expect(await evaluateModel(options, deps)).toEqual(report);
    await expect(evaluateModel({ ...options, folds: 5 }, deps)).rejects.toThrow('4');
  });

  it('refuses an empty folder and a model that its manifest does not describe', async () => {
    const empty = join(root, 'nothing');
    await mkdir(empty);
    await expect(evaluateModel({ recordingsDirectory: empty, input: 'rr' }, deps)).rejects.toThrow(
      'no recording to evaluate',
    );
    const swapped = await train('swapped');
    await writeFile(join(swapped, 'rr.onnx'), await readFile(join(swapped, 'hr.onnx')));
    const options = { recordingsDirectory: recordings, input: 'rr', modelsDirectory: swapped } as const;
    await expect(evaluateModel(options, deps)).rejects.toThrow('manifest');
  });
});

describe('a patient', () => {
  it('is the record, unless two records are known to be of one person', () => {
    expect(patientOf('afdb04043')).toBe('afdb04043');
    expect(patientOf('202')).toBe(patientOf('mitdb201'));
  });
});
