import type { TrainingWork } from '@pulsemesh/board';
import type { LearningTable } from '../data/table.ts';
import { rowCountOf } from '../data/table.ts';
import type { LocalModel, LocalSettings } from './local-model.ts';
import type { ModelState, Standardisation } from './model-state.ts';

/**
 * Logistic regression: one weight per input and, last, a bias. Trained by mini-batches of plain gradient descent with weight decay, the
 * step falling to a twentieth along half a cosine. Few weights, so that noise costs it least.
 * `standardisation` is public knowledge of the inputs' scales, for tasks with privacy terms.
 */
export function createLogisticModel(standardisation: Standardisation | null = null): LocalModel {
  return {
    family: 'logistic',
    fault: ({ model }) => {
      if (model.hidden.length > 0) return 'a logistic regression has no hidden layers';
      return model.parameters === model.inputs + 1 ? null : 'a logistic regression has a weight per input and a bias';
    },
    firstWeights: ({ model }) => new Float32Array(model.inputs + 1),
    publicStandardisation: () => standardisation,
    train: trainLogistic,
    scores: (state, table) => {
      const inputs = standardisedInputs(state, table);
      const width = table.columns.length;
      return Float64Array.from({ length: rowCountOf(table) }, (_, row) =>
        scoreAt(state.weights, inputs, row * width, width),
      );
    },
  };
}

function trainLogistic(state: ModelState, table: LearningTable, settings: LocalSettings): Float64Array {
  const { work, random } = settings;
  const width = table.columns.length;
  const inputs = standardisedInputs(state, table);
  const weights = Float64Array.from(state.weights);
  const rows = rowCountOf(table);
  const stepCount = work.localEpochs * Math.ceil(rows / work.batchSize);
  let step = 0;
  for (let epoch = 0; epoch < work.localEpochs; epoch += 1) {
    const order = random.shuffle(Array.from({ length: rows }, (_, row) => row));
    for (let first = 0; first < rows; first += work.batchSize) {
      const batch = order.slice(first, first + work.batchSize);
      const gradient = gradientOf(weights, { inputs, labels: table.labels, width }, batch);
      step += 1;
      const size = stepSize(work, settings.from + ((settings.until - settings.from) * step) / stepCount);
      for (const [index, weight] of weights.entries()) {
        const held = work.proximal * (weight - (state.weights[index] as number)); // as many as weights
        const decay = index < width ? work.weightDecay * weight : 0;
        weights[index] = weight - size * ((gradient[index] as number) + held + decay);
      }
    }
  }
  return weights;
}

function stepSize(work: TrainingWork, share: number): number {
  return work.learningRate * (0.05 + 0.475 * (1 + Math.cos(Math.PI * share)));
}

interface Inputs {
  readonly inputs: Float64Array;
  readonly labels: Uint8Array;
  readonly width: number;
}

function gradientOf(weights: Float64Array, { inputs, labels, width }: Inputs, batch: readonly number[]): Float64Array {
  const gradient = new Float64Array(weights.length);
  for (const row of batch) {
    const start = row * width;
    const error = (scoreAt(weights, inputs, start, width) - (labels[row] as number)) / batch.length; // row is the table's
    for (let index = 0; index < width; index += 1)
      gradient[index] = (gradient[index] as number) + error * (inputs[start + index] as number);
    gradient[width] = (gradient[width] as number) + error;
  }
  return gradient;
}

function scoreAt(weights: ArrayLike<number>, inputs: Float64Array, start: number, width: number): number {
  let sum = weights[width] as number; // the bias stands last
  for (let index = 0; index < width; index += 1) sum += (weights[index] as number) * (inputs[start + index] as number);
  return 1 / (1 + Math.exp(-sum));
}

function standardisedInputs({ means, scales }: Standardisation, table: LearningTable): Float64Array {
  const width = table.columns.length;
  return table.values.map(
    (value, index) => (value - (means[index % width] as number)) * (scales[index % width] as number),
  );
}
