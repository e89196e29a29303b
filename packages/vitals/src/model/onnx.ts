import { concatBytes } from '@pulsemesh/wire';
import { featureCount, featureNames } from './features.ts';
import type { DenseLayer, RhythmNetwork } from './network.ts';
import { bytesField, bytesOf, integerField, integersOf, ModelFileError, parseFields, textOf } from './protobuf.ts';

/** Names of the graph's ends, as a runtime needs them. */
export const onnxInputName = 'features';
export const onnxOutputName = 'score';

/** Largest model file that is read. */
export const modelBytesMax = 1024 * 1024;

/** Versions that every runtime since 2021 understands. */
const irVersion = 8;
const opsetVersion = 13;
const elementFloat = 1;
const attributeInteger = 2;
const layersMax = 8;

/** Field numbers of the messages in onnx.proto that are written and read here. */
const model = { irVersion: 1, producer: 2, graph: 7, opset: 8, metadata: 14 } as const;
const graph = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;
const node = { input: 1, output: 2, name: 3, operator: 4, attribute: 5 } as const;
const tensor = { dimension: 1, elementType: 2, name: 8, raw: 9 } as const;

/**
 * The network as an ONNX file (IR 8, opset 13): Sub and Mul standardise, then Gemm and Relu alternate, Sigmoid ends.
 * Input `features` [batch, 23] and output `score` [batch, 1], both float32. The names of the features travel as
 * metadata, so that a file never meets features it was not trained on. Equal networks give equal bytes.
 */
export function encodeOnnx(network: RhythmNetwork, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const count = network.means.length;
  const nodes = [nodeOf('Sub', [onnxInputName, 'means'], 'centred'), nodeOf('Mul', ['centred', 'scales'], 'standard')];
  const tensors = [tensorOf('means', [count], network.means), tensorOf('scales', [count], network.scales)];
  let values = 'standard';
  for (const [index, layer] of network.layers.entries()) {
    const isLast = index === network.layers.length - 1;
    nodes.push(nodeOf('Gemm', [values, `weights${index}`, `biases${index}`], `dense${index}`, { transB: 1 }));
    nodes.push(
      isLast
        ? nodeOf('Sigmoid', [`dense${index}`], onnxOutputName)
        : nodeOf('Relu', [`dense${index}`], `rectified${index}`),
    );
    tensors.push(tensorOf(`weights${index}`, [layer.outputs, layer.inputs], layer.weights));
    tensors.push(tensorOf(`biases${index}`, [layer.outputs], layer.biases));
    values = `rectified${index}`;
  }
  const properties = { features: featureNames.join(','), ...metadata };
  return concatBytes(
    integerField(model.irVersion, irVersion),
    bytesField(model.producer, 'pulsemesh'),
    bytesField(
      model.graph,
      concatBytes(
        ...nodes.map((each) => bytesField(graph.node, each)),
        bytesField(graph.name, 'rhythm'),
        ...tensors.map((each) => bytesField(graph.initializer, each)),
        bytesField(graph.input, valueInfo(onnxInputName, count)),
        bytesField(graph.output, valueInfo(onnxOutputName, 1)),
      ),
    ),
    bytesField(model.opset, concatBytes(bytesField(1, ''), integerField(2, opsetVersion))),
    ...Object.entries(properties).map(([key, value]) =>
      bytesField(model.metadata, concatBytes(bytesField(1, key), bytesField(2, value))),
    ),
  );
}

/**
 * Reads back what {@link encodeOnnx} writes; other graphs are refused.
 * @throws {ModelFileError}.
 */
export function decodeOnnx(bytes: Uint8Array): {
  readonly network: RhythmNetwork;
  readonly metadata: Readonly<Record<string, string>>;
} {
  if (bytes.length > modelBytesMax) throw new ModelFileError(`larger than ${modelBytesMax} bytes`);
  const fields = parseFields(bytes);
  const metadata = Object.fromEntries(
    bytesOf(fields, model.metadata).map((entry) => {
      const pair = parseFields(entry);
      return [textOf(pair, 1), textOf(pair, 2)];
    }),
  );
  if (metadata['features'] !== featureNames.join(',')) throw new ModelFileError('trained on other features');
  const graphFields = parseFields(bytesOf(fields, model.graph)[0] ?? new Uint8Array());
  const tensors = new Map(bytesOf(graphFields, graph.initializer).map(parseTensor));
  const operators = bytesOf(graphFields, graph.node).map((each) => textOf(parseFields(each), node.operator));
  const layerCount = (operators.length - 2) / 2;
  if (!(layerCount >= 1 && layerCount <= layersMax)) throw new ModelFileError('another number of layers');
  const expected = [
    'Sub',
    'Mul',
    ...Array.from({ length: layerCount }, (_, index) => ['Gemm', index + 1 < layerCount ? 'Relu' : 'Sigmoid']).flat(),
  ];
  if (operators.join() !== expected.join()) throw new ModelFileError('another order of operators');
  let inputs: number = featureCount;
  const layers = Array.from({ length: layerCount }, (_, index): DenseLayer => {
    const biases = valuesOf(tensors, `biases${index}`);
    const weights = valuesOf(tensors, `weights${index}`, inputs * biases.length);
    const layer = { inputs, outputs: biases.length, weights, biases };
    inputs = biases.length;
    return layer;
  });
  if (inputs !== 1) throw new ModelFileError('more than one output');
  const means = valuesOf(tensors, 'means', featureCount);
  return { network: { means, scales: valuesOf(tensors, 'scales', featureCount), layers }, metadata };
}

function valuesOf(tensors: ReadonlyMap<string, Float64Array>, name: string, length?: number): Float64Array {
  const values = tensors.get(name);
  if (values === undefined || (length !== undefined && values.length !== length))
    throw new ModelFileError(`no fitting ${name}`);
  if (!values.every(Number.isFinite)) throw new ModelFileError(`${name} is not finite`);
  return values;
}

function parseTensor(bytes: Uint8Array): [string, Float64Array] {
  const fields = parseFields(bytes);
  const name = textOf(fields, tensor.name);
  const raw = bytesOf(fields, tensor.raw)[0] ?? new Uint8Array();
  const length = integersOf(fields, tensor.dimension).reduce((product, size) => product * size, 1);
  const isFloat = integersOf(fields, tensor.elementType)[0] === elementFloat;
  if (!isFloat || raw.length !== length * 4) throw new ModelFileError(`${name} has another size or type`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return [name, Float64Array.from({ length }, (_, index) => view.getFloat32(index * 4, true))];
}

function nodeOf(
  operator: string,
  inputs: readonly string[],
  output: string,
  integers: Record<string, number> = {},
): Uint8Array {
  return concatBytes(
    ...inputs.map((input) => bytesField(node.input, input)),
    bytesField(node.output, output),
    bytesField(node.name, `make-${output}`),
    bytesField(node.operator, operator),
    ...Object.entries(integers).map(([name, value]) =>
      bytesField(
        node.attribute,
        concatBytes(bytesField(1, name), integerField(3, value), integerField(20, attributeInteger)),
      ),
    ),
  );
}

function tensorOf(name: string, dimensions: readonly number[], values: Float64Array): Uint8Array {
  const raw = new Uint8Array(values.length * 4);
  const view = new DataView(raw.buffer);
  for (const [index, value] of values.entries()) view.setFloat32(index * 4, value, true);
  return concatBytes(
    ...dimensions.map((size) => integerField(tensor.dimension, size)),
    integerField(tensor.elementType, elementFloat),
    bytesField(tensor.name, name),
    bytesField(tensor.raw, raw),
  );
}

/** A float32 value of shape [batch, width], batch being any. */
function valueInfo(name: string, width: number): Uint8Array {
  const shape = concatBytes(bytesField(1, bytesField(2, 'batch')), bytesField(1, integerField(1, width)));
  const type = concatBytes(integerField(1, elementFloat), bytesField(2, shape));
  return concatBytes(bytesField(1, name), bytesField(2, bytesField(1, type)));
}
