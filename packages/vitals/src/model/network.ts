import { assert } from '@pulsemesh/base';

/** One dense layer: `outputs` rows of `inputs` weights, row by row, and a bias each. */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Float64Array;
  readonly biases: Float64Array;
}

/**
 * A small network: features are standardised (value − mean) × scale, pass dense layers with ReLU between
 * them, and the one output of the last becomes a score through the logistic function.
 */
export interface RhythmNetwork {
  readonly means: Float64Array;
  readonly scales: Float64Array;
  readonly layers: readonly DenseLayer[];
}

/** The score of one window's features, 0 … 1. */
export function scoreOf(network: RhythmNetwork, features: ArrayLike<number>): number {
  assert(features.length === network.means.length, 'the features are those the network was trained on');
  let values: Float64Array = network.means.map(
    (mean, index) => ((features[index] as number) - mean) * (network.scales[index] as number), // equal lengths
  );
  for (const [index, layer] of network.layers.entries()) {
    values = applyLayer(layer, values, index < network.layers.length - 1);
  }
  return 1 / (1 + Math.exp(-(values[0] as number))); // the last layer has one output
}

function applyLayer(layer: DenseLayer, values: Float64Array, isRectified: boolean): Float64Array {
  const result = new Float64Array(layer.outputs);
  for (let output = 0; output < layer.outputs; output += 1) {
    let sum = layer.biases[output] as number; // indices run over the layer's own sizes
    const row = output * layer.inputs;
    for (let input = 0; input < layer.inputs; input += 1) {
      sum += (layer.weights[row + input] as number) * (values[input] as number);
    }
    result[output] = isRectified && sum < 0 ? 0 : sum;
  }
  return result;
}

/** The network with each number rounded to single precision: what a model file holds. */
export function toSinglePrecision(network: RhythmNetwork): RhythmNetwork {
  const round = (values: Float64Array) => values.map(Math.fround);
  return {
    means: round(network.means),
    scales: round(network.scales),
    layers: network.layers.map((layer) => ({
      ...layer,
      weights: round(layer.weights),
      biases: round(layer.biases),
    })),
  };
}
