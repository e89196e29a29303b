import { createSeededRandom } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { featureCount } from './features.ts';
import { type RhythmNetwork, scoreOf, toSinglePrecision } from './network.ts';
import { decodeOnnx, encodeOnnx, modelBytesMax, onnxInputName, onnxOutputName } from './onnx.ts';
import { ModelFileError } from './protobuf.ts';

function randomNetwork(seed: number): RhythmNetwork {
  const random = createSeededRandom(seed);
  const numbers = (length: number) => Float64Array.from({ length }, () => random.normal());
  const sizes = [featureCount, 5, 1];
  return toSinglePrecision({
    means: numbers(featureCount),
    scales: numbers(featureCount),
    layers: [0, 1].map((index) => {
      const [inputs, outputs] = [sizes[index] as number, sizes[index + 1] as number];
      return { inputs, outputs, weights: numbers(inputs * outputs), biases: numbers(outputs) };
    }),
  });
}

describe('a model file', () => {
  it('gives back the network and the metadata it was written from', () => {
    const network = randomNetwork(1);
    const { network: read, metadata } = decodeOnnx(encodeOnnx(network, { input: 'rr' }));
    expect(read).toEqual(network);
    expect(metadata['input']).toBe('rr');
  });

  it('is the same bytes for the same network', () => {
    expect(encodeOnnx(randomNetwork(2))).toEqual(encodeOnnx(randomNetwork(2)));
  });

  it('is refused when it is cut short, altered in kind, too large or trained on other features', () => {
    const bytes = encodeOnnx(randomNetwork(3));
    expect(() => decodeOnnx(bytes.subarray(0, bytes.length - 3))).toThrow(ModelFileError);
    expect(() => decodeOnnx(new Uint8Array())).toThrow(ModelFileError);
    expect(() => decodeOnnx(new Uint8Array(modelBytesMax + 1))).toThrow(ModelFileError);
    expect(() => decodeOnnx(encodeOnnx(randomNetwork(3), { features: 'another' }))).toThrow(ModelFileError);
  });

  it('with arbitrary bytes is read or refused with a model file error, nothing else', () => {
    const good = encodeOnnx(randomNetwork(4));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = good.slice();
        bytes[at] = byte;
        try {
          decodeOnnx(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ModelFileError);
        }
      }),
    );
  });

  it('runs in onnxruntime to within a millionth of the forward pass here', async (context) => {
    const runtime = await import('onnxruntime-node').catch(() => null);
    if (runtime === null) return context.skip('onnxruntime-node is not installed');
    const network = randomNetwork(5);
    const session = await runtime.InferenceSession.create(encodeOnnx(network), { intraOpNumThreads: 1 });
    const rows = 50;
    const random = createSeededRandom(6);
    const features = Float32Array.from({ length: rows * featureCount }, () => random.normal());
    const tensor = new runtime.Tensor('float32', features, [rows, featureCount]);
    const output = (await session.run({ [onnxInputName]: tensor }))[onnxOutputName]?.data as Float32Array;
    for (let row = 0; row < rows; row += 1) {
      const ours = scoreOf(network, features.subarray(row * featureCount, (row + 1) * featureCount));
      expect(Math.abs((output[row] as number) - ours)).toBeLessThan(1e-6);
    }
    await session.release();
  });
});
