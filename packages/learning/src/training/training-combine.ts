import type { TaskBody } from '@pulsemesh/board';
import { siteDeviationSteps } from '../privacy/noise.ts';
import type { Combine, RoundOfWork } from '../rounds/work.ts';
import { decodeFixedPoint } from '../secure-sum/index.ts';
import { TrainingError } from './errors.ts';
import { firstStateOf, patientCountShare, standardisedValueMax, type TrainingTask, trainingTaskOf } from './layout.ts';
import type { LocalModel } from './local-model.ts';
import { decodeState, encodeState, isStandardised, type ModelState } from './model-state.ts';

/** Below this variance an input counts as one that never changes, which is taken out. */
const varianceMin = 1e-12;

/** Deviations of noise that a mean may lie beyond its bound before it is taken for a forgery: about once in 10^15 rounds by chance. */
const noiseDeviations = 8;

/**
 * What the aggregator makes of a sum: means and scales in the first round, then the mean of the updates on top of the weights. What honest
 * sites cannot have sent is refused, which fails the round: a site can shift the mean within the bound of one site, unseen, but no
 * further (README, poisoning).
 */
export function createTrainingCombine({ model }: { readonly model: LocalModel }): Combine {
  return {
    vectorLength: (task) => trainingTaskOf(task, model).vectorLength,
    firstInput: (task) => firstStateOf(task, model),
    combine(round, { vector, sites }) {
      const training = trainingTaskOf(round.task, model);
      const { inputs, parameters } = training.work.model;
      if (vector.length !== training.vectorLength || sites < 1) throw outOfBounds('another length');
      const state = decodeState(round.input, { inputs, parameters });
      const values = decodeFixedPoint(vector, { ...round.task.sum, sites: round.task.sitesMax });
      if (training.privacy === null && !isStandardised(state))
        return encodeState({ ...state, ...standardisationOf(values, inputs, round, sites) });
      const mean =
        training.privacy === null
          ? weightedMean(values, parameters, round, sites)
          : protectedMean(values, round.task, training, sites);
      return encodeState(moved(state, mean));
    },
  };
}

function moved(state: ModelState, by: Float64Array): ModelState {
  return { ...state, weights: state.weights.map((weight, index) => weight + (by[index] as number)) }; // equal lengths
}

/** The sum of the sites' shares, each above 0 and at most 1. */
function sharesOf(values: Float64Array, { task }: RoundOfWork, sites: number): number {
  const shares = values[0] as number; // the layout's first value
  const rounding = sites / task.sum.steps;
  if (shares < 1 / task.sum.steps || shares > sites + rounding) throw outOfBounds('shares');
  return shares;
}

function weightedMean(values: Float64Array, parameters: number, round: RoundOfWork, sites: number): Float64Array {
  const shares = sharesOf(values, round, sites);
  const sums = values.subarray(1, 1 + parameters);
  const rounding = (sites * Math.sqrt(parameters)) / round.task.sum.steps;
  if (Math.hypot(...sums) > shares * round.task.sum.range + rounding) throw outOfBounds('norm');
  return sums.map((sum) => sum / shares);
}

function standardisationOf(
  values: Float64Array,
  inputs: number,
  round: RoundOfWork,
  sites: number,
): { readonly means: Float32Array; readonly scales: Float32Array } {
  const shares = sharesOf(values, round, sites);
  const moment = (index: number) =>
    // The whole steps, and what their rounding left over; both are within the layout.
    ((values[1 + index] as number) + (values[1 + 2 * inputs + index] as number) / round.task.sum.steps) / shares;
  const means = new Float32Array(inputs);
  const scales = new Float32Array(inputs);
  for (let input = 0; input < inputs; input += 1) {
    const mean = moment(input);
    const variance = (moment(inputs + input) - mean * mean) * standardisedValueMax ** 2;
    if (!(Math.abs(mean) <= 1.001 && variance <= 1.001 * standardisedValueMax ** 2)) throw outOfBounds('moments');
    means[input] = mean * standardisedValueMax;
    scales[input] = variance < varianceMin ? 0 : 1 / Math.sqrt(variance);
  }
  if (!scales.some((scale) => scale !== 0)) throw outOfBounds('inputs that never change');
  return { means, scales };
}

function protectedMean(values: Float64Array, task: TaskBody, training: TrainingTask, sites: number): Float64Array {
  const { privacy } = training;
  if (privacy === null) throw outOfBounds('no privacy terms');
  const isPerPatient = privacy.unit === 'patient';
  const sums = isPerPatient ? values.subarray(1) : values;
  // A noisy count of few patients may be near 0: dividing by less than one a site would only magnify noise.
  const count = isPerPatient ? Math.max(sites, (values[0] as number) / (privacy.normMax * patientCountShare)) : sites;
  const deviation = (siteDeviationSteps({ ...task, privacy }) * Math.sqrt(sites)) / task.sum.steps;
  const room = deviation * (Math.sqrt(sums.length) + noiseDeviations);
  const bound = isPerPatient ? sites * task.sum.range * Math.sqrt(sums.length) : sites * privacy.normMax;
  if (Math.hypot(...sums) > bound + room) throw outOfBounds('norm');
  return sums.map((sum) => sum / count);
}

function outOfBounds(what: string): TrainingError {
  return new TrainingError('training-sum-out-of-bounds', `the sum is none of honest sites: ${what}`);
}
