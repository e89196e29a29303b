import { readFile } from 'node:fs/promises';
import { errorCode, errorMessage, type Logger } from '@pulsemesh/base';
import { shortContentId } from '@pulsemesh/wire';
import { type AlertPolicy, defaultAlertPolicy } from '../alerts/policy.ts';
import { openRecordings } from '../recordings/open-recordings.ts';
import { RecordingError } from '../recordings/recording.ts';
import type { InputKind } from '../windows/window.ts';
import { type RecordedWindows, recordedWindows } from './dataset.ts';
import { figuresOf, type PooledFigures, type RecordFigures } from './figures.ts';
import { crossValidate, type Progress, patientOf, scoresOf } from './folds.ts';
import { fingerprintOf, readManifest } from './manifest.ts';
import { decodeOnnx } from './onnx.ts';
import { shippedModelsDirectory } from './predictor.ts';
import { ModelFileError } from './protobuf.ts';
import { defaultTrainerOptions, type TrainerOptions } from './trainer.ts';

export interface EvaluateModelOptions {
  readonly recordingsDirectory: string;
  readonly input: InputKind;
  /** Default: the shipped policy for this input. */
  readonly policy?: AlertPolicy;
  /** Default: the shipped models. */
  readonly modelsDirectory?: string;
  /** 2 or more: train and score by folds of patients instead of scoring with the shipped model. */
  readonly folds?: number;
  readonly seed?: number;
  readonly trainer?: TrainerOptions;
}

/** Which scores were evaluated. */
export type EvaluatedModel =
  | {
      readonly type: 'file';
      readonly modelId: string;
      /** Evaluated records that the model was trained on: their figures flatter it. */
      readonly trainedOn: readonly string[];
    }
  | { readonly type: 'cross-validated'; readonly folds: number; readonly seed: number };

/** What `pulsemesh model evaluate --json` prints. Attribution of public recordings is in the model card. */
export interface EvaluationReport {
  readonly input: InputKind;
  readonly model: EvaluatedModel;
  readonly policy: AlertPolicy;
  readonly records: readonly RecordFigures[];
  readonly pooled: PooledFigures;
  /** Only where the model had been trained on some of the records and not on others: the others alone. */
  readonly pooledUnseen: PooledFigures | null;
  /** Records that could not be used, and why. */
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
  /** Sentences that a reader of the figures must know. */
  readonly notes: readonly string[];
}

interface Loaded {
  readonly recorded: RecordedWindows;
  readonly fingerprint: string;
}

/**
 * Scores a folder of recordings (any of the three formats, see `recordings/`) and says per record and pooled how well
 * irregular windows are told apart and what the alert policy makes of it. Records without rhythm labels are scored
 * and counted, and take no part in the figures that need a label. A file that cannot be read is reported and passed over.
 * @throws {RecordingError} when nothing in the folder can be used, or too few patients for the folds;
 *   {@link ModelFileError} when the model cannot be read.
 */
export async function evaluateModel(
  options: EvaluateModelOptions,
  { logger, progress = () => {} }: { readonly logger: Logger; readonly progress?: Progress },
): Promise<EvaluationReport> {
  const { input, policy = defaultAlertPolicy[options.input] } = options;
  const { loaded, skipped } = await load(options, progress);
  const { model, scores } =
    options.folds === undefined ? await scoreByFile(options, loaded) : scoreByFolds(options, loaded, progress);
  const scored = loaded.flatMap(({ recorded }) => {
    const found = scores.get(recorded.name);
    return found === undefined ? [] : [{ recorded, scores: found }];
  });
  const { records, pooled } = figuresOf(scored, policy);
  const seen = new Set(model.type === 'file' ? model.trainedOn : []);
  const unseen = scored.filter(({ recorded }) => !seen.has(recorded.name));
  const isMixed = seen.size > 0 && unseen.length > 0;
  logger.info('rhythm model evaluated', { input, records: records.length, skipped: skipped.length });
  return {
    input,
    model,
    policy,
    records,
    pooled,
    pooledUnseen: isMixed ? figuresOf(unseen, policy).pooled : null,
    skipped,
    notes: notesOf(model, records, skipped.length),
  };
}

async function load(
  options: EvaluateModelOptions,
  progress: Progress,
): Promise<{ readonly loaded: readonly Loaded[]; readonly skipped: EvaluationReport['skipped'] }> {
  const loaded: Loaded[] = [];
  const skipped: { file: string; reason: string }[] = [];
  const files = await openRecordings(options.recordingsDirectory);
  for (const [index, file] of files.entries()) {
    try {
      const recording = await file.load();
      if (recording.type === 'rate' && options.input === 'rr') {
        skipped.push({ file: file.file, reason: 'it holds rates, no beat-to-beat intervals' });
      } else {
        loaded.push({ recorded: recordedWindows(recording, options.input), fingerprint: fingerprintOf(recording) });
      }
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      skipped.push({ file: file.file, reason: errorMessage(error) });
    }
    progress({ what: 'recording', done: index + 1, total: files.length });
  }
  if (loaded.length > 0) return { loaded, skipped };
  const first = skipped[0];
  const why = first === undefined ? '' : ` (${first.file}: ${first.reason})`;
  throw new RecordingError('recording-missing', `${options.recordingsDirectory} holds no recording to evaluate${why}`, {
    facts: { file: options.recordingsDirectory },
  });
}

async function scoreByFile(
  options: EvaluateModelOptions,
  loaded: readonly Loaded[],
): Promise<{ readonly model: EvaluatedModel; readonly scores: ReadonlyMap<string, Float64Array> }> {
  const directory = options.modelsDirectory ?? shippedModelsDirectory;
  const file = `${options.input}.onnx`;
  const bytes = await readFile(`${directory}/${file}`).catch((cause: unknown) => {
    throw new ModelFileError(`${file} cannot be read (${errorCode(cause)})`, { cause });
  });
  const { network } = decodeOnnx(bytes);
  const entry = (await readManifest(directory)).models[options.input];
  const modelId = shortContentId(bytes);
  if (entry?.modelId !== modelId) throw new ModelFileError(`the manifest describes another ${file}`);
  const patients = new Set(entry.trainedOn.map(({ name }) => patientOf(name)));
  const fingerprints = new Set(entry.trainedOn.map(({ fingerprint }) => fingerprint));
  const trainedOn = loaded
    .filter(({ recorded, fingerprint }) => fingerprints.has(fingerprint) || patients.has(patientOf(recorded.name)))
    .map(({ recorded }) => recorded.name);
  return {
    model: { type: 'file', modelId, trainedOn },
    scores: new Map(loaded.map(({ recorded }) => [recorded.name, scoresOf(network, recorded)])),
  };
}

function scoreByFolds(
  options: EvaluateModelOptions,
  loaded: readonly Loaded[],
  progress: Progress,
): { readonly model: EvaluatedModel; readonly scores: ReadonlyMap<string, Float64Array> } {
  const { folds = 0, seed = 1, trainer = defaultTrainerOptions } = options;
  const labelled = loaded.map(({ recorded }) => recorded).filter(({ rhythms }) => rhythms.length > 0);
  const patientCount = new Set(labelled.map(({ name }) => patientOf(name))).size;
  if (!Number.isInteger(folds) || folds < 2 || folds > patientCount) {
    throw new RecordingError(
      'recording-missing',
      `${folds} folds need between 2 and as many labelled patients as there are: ${patientCount}`,
      { facts: { folds, patientCount } },
    );
  }
  return {
    model: { type: 'cross-validated', folds, seed },
    scores: crossValidate(labelled, { folds, seed, trainer }, progress),
  };
}

function notesOf(model: EvaluatedModel, records: readonly RecordFigures[], skippedCount: number): readonly string[] {
  const notes = ['Screening, not diagnosis. See the model card for limits and the attribution of public recordings.'];
  if (model.type === 'file' && model.trainedOn.length > 0) {
    notes.push(
      `The model was trained on ${model.trainedOn.length} of these ${records.length} records (or on others of the same patients): figures over them are not those of unseen patients. Use folds for those.`,
    );
  }
  const unlabelledCount = records.filter(({ isLabelled }) => !isLabelled).length;
  if (unlabelledCount > 0) notes.push(`${unlabelledCount} records have no rhythm labels: scored, and counted apart.`);
  if (skippedCount > 0) notes.push(`${skippedCount} files were passed over.`);
  return notes;
}
