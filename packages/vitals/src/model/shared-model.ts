import { assert, createSeededRandom, type Random } from '@pulsemesh/base';
import { featureCount } from './features.ts';
import { type RhythmNetwork, scoreOf } from './network.ts';
import { continueTraining, createNetwork, defaultTrainerOptions } from './trainer.ts';

/** What a learning task says of a network and of its local training; `TrainingWork` of @pulsemesh/board fits. */
export interface SharedWork {
  readonly model: {
    readonly family: string;
    readonly inputs: number;
    readonly hidden: readonly number[];
    readonly parameters: number;
  };
  readonly proximal: number;
  readonly localEpochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly seed: number;
}

/** What several sites share of a network: inputs' scaling and all weights, layer by layer, weights before biases. */
export interface SharedState {
  readonly means: Float32Array;
  readonly scales: Float32Array;
  readonly weights: Float32Array;
}

/** Rows of features and their labels; `LearningTable` of @pulsemesh/learning fits. */
export interface SharedTable {
  readonly values: Float64Array;
  readonly labels: Uint8Array;
}

/** What a local training is told besides weights and records; `LocalSettings` of @pulsemesh/learning fits. */
export interface SharedSettings {
  readonly work: SharedWork;
  readonly from: number;
  readonly until: number;
  readonly random: Random;
}

/** The rhythm network as learning sees it. */
export interface SharedRhythmModel {
  /** As tasks name it. */
  readonly family: 'rhythm';
  /** Why a task's work is none of this model; null: it is. */
  fault(work: SharedWork): string | null;
  firstWeights(work: SharedWork): Float32Array;
  publicStandardisation(): Pick<SharedState, 'means' | 'scales'>;
  train(state: SharedState, table: SharedTable, settings: SharedSettings): Float64Array;
  scores(state: SharedState, table: SharedTable): Float64Array;
}

/**
 * The rhythm network as a model of federated learning: fits `LocalModel` of @pulsemesh/learning, which knows no rhythms. Its inputs
 * are the features of a window in their order; `hidden` are the sizes of its hidden layers, and tasks with others are refused. Its
 * public standardisation is that of made-up hearts, and costs no patient anything.
 */
export function createSharedRhythmModel(hidden: readonly number[] = defaultTrainerOptions.hidden): SharedRhythmModel {
  return {
    family: 'rhythm',
    fault: (work) => faultOf(work, hidden),
    firstWeights: ({ model, seed }) => {
      const nothing = { means: new Float64Array(model.inputs), scales: new Float64Array(model.inputs) };
      const { layers } = createNetwork(hidden, nothing, createSeededRandom(seed));
      return Float32Array.from(layers.flatMap(({ weights, biases }) => [...weights, ...biases]));
    },
    publicStandardisation: () => ({ means: Float32Array.from(madeUp.means), scales: Float32Array.from(madeUp.scales) }),
    train: (state, table, settings) => trainShared(networkOfState(state, hidden), table, settings),
    scores: (state, { values }) => {
      const network = networkOfState(state, hidden);
      return Float64Array.from({ length: values.length / featureCount }, (_, row) =>
        scoreOf(network, values.subarray(row * featureCount, (row + 1) * featureCount)),
      );
    },
  };
}

/** Numbers in a network of these layers, biases included. */
export function sharedParameterCount(hidden: readonly number[]): number {
  const sizes = [featureCount, ...hidden, 1];
  return sizes.slice(1).reduce((sum, outputs, index) => sum + outputs * ((sizes[index] as number) + 1), 0); // the size before
}

/** The network of a state, as a model file holds it (`encodeOnnx`). */
export function networkOfState(
  state: SharedState,
  hidden: readonly number[] = defaultTrainerOptions.hidden,
): RhythmNetwork {
  assert(state.weights.length === sharedParameterCount(hidden), 'the weights are those of such a network');
  const sizes = [featureCount, ...hidden, 1];
  let at = 0;
  const take = (count: number) => {
    at += count;
    return Float64Array.from(state.weights.subarray(at - count, at));
  };
  const layers = sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] as number; // the size before this one
    return { inputs, outputs, weights: take(inputs * outputs), biases: take(outputs) };
  });
  return { means: Float64Array.from(state.means), scales: Float64Array.from(state.scales), layers };
}

function trainShared(start: RhythmNetwork, table: SharedTable, settings: SharedSettings): Float64Array {
  const { work, from, until, random } = settings;
  const { localEpochs: epochs, batchSize, learningRate, weightDecay, proximal } = work;
  const set = {
    features: table.values,
    labels: table.labels,
    weights: new Float64Array(table.labels.length).fill(1),
    featureCount,
  };
  const options = { epochs, batchSize, learningRate, weightDecay, proximal, from, until };
  const { layers } = continueTraining(start, set, options, random);
  return Float64Array.from(layers.flatMap(({ weights, biases }) => [...weights, ...biases]));
}

function faultOf({ model }: SharedWork, hidden: readonly number[]): string | null {
  if (model.inputs !== featureCount) return `the rhythm model has ${featureCount} inputs`;
  if (model.hidden.join() !== hidden.join()) return `the rhythm model has hidden layers ${hidden.join('-')}`;
  return model.parameters === sharedParameterCount(hidden) ? null : 'the parameters are not those of the layers';
}

/**
 * Means and one over deviations of the features, in their order, of six made-up hearts (generator.ts: sinus rhythm, extra beats and
 * fibrillation), to two digits. Constants, so that every site has the same bits.
 */
const madeUp = {
  means: [
    0.81, 0.12, 0.17, 0.11, 0.13, 0.069, 0.46, 0.45, 0.34, 0.17, 0.55, 0.12, -0.2, -1.2, 1.4, 0.11, 0.14, 0.056, 0.19,
    -0.14, 0.93, 0.35, 0.17,
  ],
  scales: [7.1, 11, 6.8, 10, 9, 18, 2.5, 3.5, 2.7, 7.4, 7.3, 3.4, 4.4, 1.4, 1.8, 11, 7.2, 19, 5.8, 3, 2.8, 1.4, 6.8],
} as const;
