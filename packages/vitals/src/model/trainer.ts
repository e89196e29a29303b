import { assert, type Random } from '@pulsemesh/base';
import { type DenseLayer, type RhythmNetwork, toSinglePrecision } from './network.ts';

/** Examples, `featureCount` numbers each, row after row. */
export interface TrainingSet {
  readonly features: Float64Array;
  /** 1 irregular, 0 not; one per row. */
  readonly labels: Uint8Array;
  /** How much each row counts; mean about 1. */
  readonly weights: Float64Array;
  readonly featureCount: number;
}

export interface TrainerOptions {
  /** Sizes of the hidden layers. */
  readonly hidden: readonly number[];
  readonly epochs: number;
  readonly batchSize: number;
  /** Adam's step at the start; it falls to a twentieth along half a cosine. */
  readonly learningRate: number;
  /** Weight decay per step, in units of the step (AdamW). */
  readonly weightDecay: number;
}

/**
 * What the shipped models are trained with. The strong weight decay costs nothing within the fibrillation database and gains
 * most on the arrhythmia database, whose extra beats the network would else learn by heart.
 */
export const defaultTrainerOptions: TrainerOptions = {
  hidden: [32, 16],
  epochs: 6,
  batchSize: 128,
  learningRate: 2e-3,
  weightDecay: 0.6,
};

/** How features are brought to one scale before the first layer: (value − mean) × scale. */
export type Standardisation = Pick<RhythmNetwork, 'means' | 'scales'>;

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

interface TrainedLayer extends DenseLayer {
  readonly startWeights: Float64Array;
  readonly startBiases: Float64Array;
  readonly weightSlope: Slope;
  readonly biasSlope: Slope;
  /** Outputs and their error for the example at hand. */
  readonly outputValues: Float64Array;
  readonly outputErrors: Float64Array;
}

interface Slope {
  readonly gradient: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/**
 * Trains a network by mini-batches of Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019) on
 * weighted cross-entropy. Single-threaded and in one order, so one seed and one set give the same network
 * bit for bit on one Node version; the result is in single precision, as the file holds it.
 */
export function trainNetwork(set: TrainingSet, options: TrainerOptions, random: Random): RhythmNetwork {
  const start = createNetwork(options.hidden, standardisationOf(set), random);
  return toSinglePrecision(continueTraining(start, set, { ...options, from: 0, until: 1, proximal: 0 }, random));
}

/** A network that has learned nothing yet: He initialisation, weights normal with variance 2 / inputs, biases 0. */
export function createNetwork(
  hidden: readonly number[],
  { means, scales }: Standardisation,
  random: Random,
): RhythmNetwork {
  const sizes = [means.length, ...hidden, 1];
  const layers = sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] as number; // the size before this one
    const weights = Float64Array.from({ length: inputs * outputs }, () => random.normal() * Math.sqrt(2 / inputs));
    return { inputs, outputs, weights, biases: new Float64Array(outputs) };
  });
  return { means, scales, layers };
}

export interface ContinueOptions extends Omit<TrainerOptions, 'hidden'> {
  /** Which part of a longer training these epochs are, 0 … 1: the step falls from where `from` is on the half cosine. */
  readonly from: number;
  readonly until: number;
  /** FedProx's µ (Li et al. 2020, eq. 2): how strongly the weights are held to those of the start; 0: not at all. */
  readonly proximal: number;
}

/**
 * Trains on from a network, whose standardisation stays: what a site does with a shared model. The set is weighted as
 * in {@link trainNetwork}; `start` is left as it is; the result is in double precision. Same input and seed, same result.
 */
export function continueTraining(
  start: RhythmNetwork,
  set: TrainingSet,
  options: ContinueOptions,
  random: Random,
): RhythmNetwork {
  const rowCount = set.labels.length;
  assert(rowCount > 0 && set.features.length === rowCount * set.featureCount, 'a training set has whole rows');
  assert(start.means.length === set.featureCount, 'the set has the features of the network');
  const inputs = standardised(set, start);
  const layers = start.layers.map(toTrained);
  const stepCount = options.epochs * Math.ceil(rowCount / options.batchSize);
  const order = Uint32Array.from({ length: rowCount }, (_, index) => index);
  let step = 0;
  for (let epoch = 0; epoch < options.epochs; epoch += 1) {
    shuffle(order, random);
    for (let first = 0; first < rowCount; first += options.batchSize) {
      const batch = order.subarray(first, first + options.batchSize);
      for (const row of batch) {
        learn(layers, inputs.subarray(row * set.featureCount, (row + 1) * set.featureCount), {
          label: set.labels[row] as number, // row is within the set
          weight: (set.weights[row] as number) / batch.length,
        });
      }
      step += 1;
      const size = stepSize(
        options.learningRate,
        options.from * stepCount + (options.until - options.from) * step,
        stepCount,
      );
      for (const layer of layers) update(layer, { step, size, decay: options.weightDecay, proximal: options.proximal });
    }
  }
  return {
    ...start,
    layers: layers.map(({ inputs, outputs, weights, biases }) => ({ inputs, outputs, weights, biases })),
  };
}

function stepSize(learningRate: number, step: number, stepCount: number): number {
  return learningRate * (0.05 + 0.475 * (1 + Math.cos((Math.PI * step) / stepCount)));
}

function shuffle(order: Uint32Array, random: Random): void {
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.integer(last + 1);
    const kept = order[last] as number; // both within the array
    order[last] = order[other] as number;
    order[other] = kept;
  }
}

/** Means of a set's features and one over their deviations, in single precision. */
export function standardisationOf({ features, featureCount }: TrainingSet): Standardisation {
  const rowCount = features.length / featureCount;
  const means = new Float64Array(featureCount);
  const squares = new Float64Array(featureCount);
  for (let index = 0; index < features.length; index += 1) {
    const column = index % featureCount;
    means[column] = (means[column] as number) + (features[index] as number) / rowCount; // column < featureCount
  }
  for (let index = 0; index < features.length; index += 1) {
    const column = index % featureCount;
    squares[column] = (squares[column] as number) + ((features[index] as number) - (means[column] as number)) ** 2;
  }
  // A feature that never changes says nothing: its scale of 0 takes it out.
  const scales = squares.map((sum) => (sum / rowCount < 1e-12 ? 0 : 1 / Math.sqrt(sum / rowCount)));
  return { means: means.map(Math.fround), scales: scales.map(Math.fround) };
}

function standardised(set: TrainingSet, { means, scales }: Standardisation): Float64Array {
  return set.features.map((value, index) => {
    const column = index % set.featureCount;
    return (value - (means[column] as number)) * (scales[column] as number); // column < featureCount
  });
}

function toTrained({ inputs, outputs, weights, biases }: DenseLayer): TrainedLayer {
  return {
    inputs,
    outputs,
    weights: weights.slice(),
    biases: biases.slice(),
    startWeights: weights,
    startBiases: biases,
    weightSlope: createSlope(inputs * outputs),
    biasSlope: createSlope(outputs),
    outputValues: new Float64Array(outputs),
    outputErrors: new Float64Array(outputs),
  };
}

function createSlope(length: number): Slope {
  return { gradient: new Float64Array(length), first: new Float64Array(length), second: new Float64Array(length) };
}

/** Adds one example's gradient to the layers'. */
function learn(
  layers: readonly TrainedLayer[],
  input: Float64Array,
  example: { readonly label: number; readonly weight: number },
): void {
  const top = layers.length - 1;
  let values = input;
  for (let index = 0; index <= top; index += 1) values = forward(layers[index] as TrainedLayer, values, index < top);
  const score = 1 / (1 + Math.exp(-(values[0] as number))); // the last layer has one output
  (layers[top] as TrainedLayer).outputErrors[0] = (score - example.label) * example.weight;
  for (let index = top; index >= 0; index -= 1) {
    const below = layers[index - 1];
    backward(layers[index] as TrainedLayer, below?.outputValues ?? input, below?.outputErrors ?? null);
  }
}

function forward(layer: TrainedLayer, values: Float64Array, isRectified: boolean): Float64Array {
  const { inputs, outputs, weights, biases, outputValues } = layer;
  for (let output = 0; output < outputs; output += 1) {
    let sum = biases[output] as number; // indices run over the layer's own sizes, here and below
    const row = output * inputs;
    for (let index = 0; index < inputs; index += 1) sum += (weights[row + index] as number) * (values[index] as number);
    outputValues[output] = isRectified && sum < 0 ? 0 : sum;
  }
  return outputValues;
}

/** Gradient of one layer; writes the error of the layer below (null for the input). */
function backward(layer: TrainedLayer, values: Float64Array, errorsBelow: Float64Array | null): void {
  const { inputs, outputs, weights, weightSlope, biasSlope, outputErrors } = layer;
  errorsBelow?.fill(0);
  for (let output = 0; output < outputs; output += 1) {
    const error = outputErrors[output] as number;
    if (error === 0) continue;
    const row = output * inputs;
    biasSlope.gradient[output] = (biasSlope.gradient[output] as number) + error;
    for (let index = 0; index < inputs; index += 1) {
      const at = row + index;
      weightSlope.gradient[at] = (weightSlope.gradient[at] as number) + error * (values[index] as number);
      // A rectified value of zero lets no error through.
      if (errorsBelow !== null && (values[index] as number) > 0) {
        errorsBelow[index] = (errorsBelow[index] as number) + error * (weights[at] as number);
      }
    }
  }
}

/** One step of the optimiser, the first being 1. */
interface Step {
  readonly step: number;
  readonly size: number;
  readonly decay: number;
  readonly proximal: number;
}

function update(layer: TrainedLayer, by: Step): void {
  updateValues(layer.weights, layer.startWeights, layer.weightSlope, by);
  updateValues(layer.biases, layer.startBiases, layer.biasSlope, { ...by, decay: 0 });
}

function updateValues(
  values: Float64Array,
  start: Float64Array,
  slope: Slope,
  { step, size, decay, proximal }: Step,
): void {
  const firstBias = 1 - adam.beta1 ** step;
  const secondBias = 1 - adam.beta2 ** step;
  const { gradient, first, second } = slope;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number; // the five arrays have one length
    const by = (gradient[index] as number) + proximal * (value - (start[index] as number));
    const one = adam.beta1 * (first[index] as number) + (1 - adam.beta1) * by;
    const two = adam.beta2 * (second[index] as number) + (1 - adam.beta2) * by * by;
    first[index] = one;
    second[index] = two;
    values[index] = value - size * (one / firstBias / (Math.sqrt(two / secondBias) + adam.epsilon) + decay * value);
    gradient[index] = 0;
  }
}
