import type { PrivacyTerms, TaskBody, TrainingWork } from '@pulsemesh/board';
import { noiseFault } from '../privacy/noise.ts';
import { fixedPointFault } from '../secure-sum/index.ts';
import { TrainingError } from './errors.ts';
import type { LocalModel } from './local-model.ts';
import { encodeState } from './model-state.ts';

/** A site counts by its records up to this many, and no more: none outweighs the others by claiming millions. */
export const weightRecordsMax = 16_384;

/** Inputs beyond ± this count as this when means and variances are summed. */
export const standardisedValueMax = 64;

/**
 * Of the norm of a patient's vector, the part that counts the patient: the rest is its update's. With it the number of
 * patients is summed under the same noise, and needs no budget of its own.
 */
export const patientCountShare = 0.3;

/** What a task may ask of a site: an entry on a board must not keep it busy for years. */
export const trainingLimits = {
  localEpochsMax: 100,
  batchSizeMax: 65_536,
  inputsMax: 4096,
  parametersMax: 4_000_000,
} as const;

/** A training task, its parts at hand. */
export interface TrainingTask {
  readonly work: TrainingWork;
  readonly privacy: PrivacyTerms | null;
  /** Without privacy terms the first round sums means and variances, from which all standardise their inputs. */
  readonly isStandardising: boolean;
  readonly vectorLength: number;
}

/**
 * A task's training as this model reads it. @throws {TrainingError} `training-unfit`.
 * Layout of vectors: site's share and its share of the update (or, in the first round, of four values per input); with privacy terms
 * the update alone, and per patient its count before it.
 */
export function trainingTaskOf(task: TaskBody, model: LocalModel): TrainingTask {
  const { work, privacy } = task;
  const fault =
    work.kind === 'training'
      ? (workFault(work) ?? model.fault(work) ?? commonFault(task, work, model))
      : 'it is no training';
  if (fault !== null || work.kind !== 'training') throw new TrainingError('training-unfit', `the task: ${fault}`);
  const { parameters, inputs } = work.model;
  const isStandardising = privacy === null;
  if (privacy !== null)
    return { work, privacy, isStandardising, vectorLength: parameters + Number(privacy.unit === 'patient') };
  return { work, privacy, isStandardising, vectorLength: 1 + Math.max(parameters, 4 * inputs) };
}

function workFault(work: TrainingWork): string | null {
  const isWithin = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max;
  const { inputs, parameters } = work.model;
  if (!isWithin(inputs, trainingLimits.inputsMax)) return 'number of inputs';
  if (!isWithin(parameters, trainingLimits.parametersMax)) return 'number of parameters';
  if (!isWithin(work.localEpochs, trainingLimits.localEpochsMax)) return 'number of local epochs';
  if (!isWithin(work.batchSize, trainingLimits.batchSizeMax)) return 'size of batches';
  const rates = [work.learningRate, work.weightDecay, work.proximal];
  return rates.every((rate) => Number.isFinite(rate) && rate >= 0) ? null : 'rates that are numbers, not below 0';
}

function commonFault(task: TaskBody, work: TrainingWork, model: LocalModel): string | null {
  if (work.model.family !== model.family) return 'it is for another family of models';
  if (task.query.columns.length !== work.model.inputs)
    return 'the query has another number of columns than the model inputs';
  if (task.privacy !== null) return noiseFault({ ...task, privacy: task.privacy });
  if (task.rounds < 2) return 'the first round standardises: there is a second that trains';
  return fixedPointFault({ ...task.sum, sites: task.sitesMax });
}

/** What round 1 starts from. @throws {TrainingError} `training-unfit`. */
export function firstStateOf(task: TaskBody, model: LocalModel): Uint8Array {
  const { work, isStandardising } = trainingTaskOf(task, model);
  const { inputs } = work.model;
  const unscaled = { means: new Float32Array(inputs), scales: new Float32Array(inputs).fill(isStandardising ? 0 : 1) };
  const standardisation = isStandardising ? null : model.publicStandardisation(work);
  return encodeState({ ...(standardisation ?? unscaled), weights: model.firstWeights(work) });
}
