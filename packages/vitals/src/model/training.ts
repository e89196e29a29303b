import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSeededRandom, type Logger } from '@pulsemesh/base';
import { shortContentId } from '@pulsemesh/wire';
import { defaultAlertPolicy } from '../alerts/policy.ts';
import { openRecordings } from '../recordings/open-recordings.ts';
import { type BeatRecording, RecordingError } from '../recordings/recording.ts';
import type { InputKind } from '../windows/window.ts';
import { renderModelCard } from './card.ts';
import { recordedWindows } from './dataset.ts';
import { figuresOf } from './figures.ts';
import { crossValidate, type Progress, patientOf, trainingSetOf } from './folds.ts';
import { fingerprintOf, type ModelManifest, type ModelManifestEntry, manifestFile } from './manifest.ts';
import { encodeOnnx } from './onnx.ts';
import { inputKinds } from './predictor.ts';
import { defaultTrainerOptions, type TrainerOptions, trainNetwork } from './trainer.ts';

export interface TrainModelsOptions {
  /** Beat-to-beat recordings with rhythm labels; others in it are passed over. */
  readonly recordingsDirectory: string;
  /** Gets `rr.onnx`, `hr.onnx`, `wrist.onnx`, `manifest.json` and `MODEL-CARD.md`; made where missing. */
  readonly outDirectory: string;
  /** Default: all three. */
  readonly inputs?: readonly InputKind[];
  /** Default 1, that of the shipped models. */
  readonly seed?: number;
  /** Folds by patient for the figures, at least 2; default 5, 0 for none. The files do not depend on it. */
  readonly folds?: number;
  readonly trainer?: TrainerOptions;
}

const defaultSeed = 1;
export const defaultFolds = 5;

/**
 * Trains one model per kind of input on all labelled recordings of a directory, measures it on unseen patients by
 * cross-validation, and writes files, manifest and card. The same recordings, seed and Node version give the same
 * bytes. Takes about a minute for the 43 records the shipped models come from.
 * @throws {RecordingError} when a recording cannot be read, or none is labelled.
 */
export async function trainModels(
  options: TrainModelsOptions,
  { logger, progress = () => {} }: { readonly logger: Logger; readonly progress?: Progress },
): Promise<ModelManifest> {
  const recordings = await labelledRecordings(options.recordingsDirectory);
  await mkdir(options.outDirectory, { recursive: true });
  const models: Partial<Record<InputKind, ModelManifestEntry>> = {};
  for (const input of options.inputs ?? inputKinds) {
    const { bytes, entry } = trainModel(recordings, input, options, progress);
    await writeFile(join(options.outDirectory, entry.file), bytes);
    models[input] = entry;
    logger.info('rhythm model trained', { input, modelId: entry.modelId, bytes: bytes.length });
  }
  const manifest = { format: 1, models } as ModelManifest; // a key for each trained input
  await writeFile(join(options.outDirectory, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(join(options.outDirectory, 'MODEL-CARD.md'), renderModelCard(manifest));
  return manifest;
}

function trainModel(
  recordings: readonly BeatRecording[],
  input: InputKind,
  options: TrainModelsOptions,
  progress: Progress,
): { readonly bytes: Uint8Array; readonly entry: ModelManifestEntry } {
  const { seed = defaultSeed, folds = defaultFolds, trainer = defaultTrainerOptions } = options;
  const recorded = recordings.map((recording) => recordedWindows(recording, input));
  const patientCount = new Set(recordings.map(({ name }) => patientOf(name))).size;
  let unseen: ModelManifestEntry['unseen'] = null;
  if (folds >= 2 && patientCount >= folds) {
    const scores = crossValidate(recorded, { folds, seed, trainer }, (step) =>
      progress({ ...step, what: `${input} ${step.what}` }),
    );
    const scored = recorded.map((each) => ({ recorded: each, scores: scores.get(each.name) ?? [] }));
    unseen = { folds, ...figuresOf(scored, defaultAlertPolicy[input]).pooled };
  }
  const network = trainNetwork(trainingSetOf(recorded), trainer, createSeededRandom(seed));
  const bytes = encodeOnnx(network, { input });
  progress({ what: `${input} model`, done: 1, total: 1 });
  const trainedOn = recordings.map((recording) => ({ name: recording.name, fingerprint: fingerprintOf(recording) }));
  const modelId = shortContentId(bytes);
  return {
    bytes,
    entry: {
      file: `${input}.onnx`,
      modelId,
      seed,
      trainer: { ...trainer, hidden: trainer.hidden.join('-') },
      trainedOn,
      unseen,
    },
  };
}

async function labelledRecordings(directory: string): Promise<readonly BeatRecording[]> {
  const labelled: BeatRecording[] = [];
  for (const file of await openRecordings(directory)) {
    if (file.kind === 'monitor-csv') continue;
    const recording = await file.load();
    if (recording.type === 'beats' && recording.rhythms.length > 0) labelled.push(recording);
  }
  if (labelled.length === 0) {
    throw new RecordingError('recording-missing', `${directory} holds no recording with rhythm labels`, {
      facts: { file: directory },
    });
  }
  return labelled;
}
