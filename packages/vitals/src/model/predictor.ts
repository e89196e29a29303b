import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { assert, errorCode, type Logger } from '@pulsemesh/base';
import { shortContentId } from '@pulsemesh/wire';
import type { InputKind, Prediction, Window } from '../windows/window.ts';
import { featureCount, featuresOf } from './features.ts';
import { scoreOf } from './network.ts';
import { decodeOnnx, onnxInputName, onnxOutputName } from './onnx.ts';
import { ModelFileError } from './protobuf.ts';
import { signalOf } from './signal.ts';

/** Every input kind has its own model. */
export const inputKinds: readonly InputKind[] = ['rr', 'hr', 'wrist'];

/** Where the shipped model files lie: `rr.onnx`, `hr.onnx`, `wrist.onnx`. */
export const shippedModelsDirectory = fileURLToPath(new URL('../../models', import.meta.url));

/** Windows that one call of {@link Predictor.predict} takes. */
export const predictWindowsMax = 10_000;

/** Gives windows their scores. */
export interface Predictor extends AsyncDisposable {
  /** What computes: `onnxruntime` or `builtin`. */
  readonly engine: PredictorEngine;
  /** Content id of the model file for this kind of input, 16 hex characters. */
  modelId(input: InputKind): string;
  /**
   * One prediction per window, in order; null where the window is not usable. Scores are rounded to 0.0001, which is
   * coarser than the engines differ by, so that any worker gives the same (but for the rare score that lies
   * on the edge of a step).
   * @throws {AssertionError} for more than {@link predictWindowsMax} windows.
   */
  predict(windows: readonly Window[]): Promise<readonly Prediction[]>;
}

export type PredictorEngine = 'onnxruntime' | 'builtin';

export interface PredictorOptions {
  /** Where `rr.onnx`, `hr.onnx` and `wrist.onnx` lie, all or each; default {@link shippedModelsDirectory}. */
  readonly modelsDirectory?: string | ((input: InputKind) => string);
  /** Default `auto`: onnxruntime-node where it is installed and loads, else the built-in forward pass. */
  readonly engine?: PredictorEngine | 'auto';
}

interface LoadedModel {
  readonly modelId: string;
  /** Scores of `count` windows, features row after row. */
  score(features: Float64Array, count: number): Promise<ArrayLike<number>>;
  release(): Promise<void>;
}

const scoreSteps = 10_000;

/**
 * Loads the three models and gives a predictor; disposing of it frees the native sessions.
 * @throws {ModelFileError} when a file is missing or not ours; what the runtime throws when `engine` is
 *   `onnxruntime` and it does not load.
 */
export async function createPredictor(
  options: PredictorOptions,
  { logger }: { readonly logger: Logger },
): Promise<Predictor> {
  const { modelsDirectory = shippedModelsDirectory, engine: wanted = 'auto' } = options;
  const runtime = wanted === 'builtin' ? null : await loadRuntime(wanted, logger);
  const engine: PredictorEngine = runtime === null ? 'builtin' : 'onnxruntime';
  const models = new Map<InputKind, LoadedModel>();
  for (const input of inputKinds) {
    const directory = typeof modelsDirectory === 'string' ? modelsDirectory : modelsDirectory(input);
    const bytes = await readModel(directory, input);
    models.set(input, runtime === null ? builtinModel(bytes) : await runtimeModel(runtime, bytes));
  }
  logger.info('rhythm models loaded', { engine, rr: modelOf(models, 'rr').modelId });
  return {
    engine,
    modelId: (input) => modelOf(models, input).modelId,
    predict: (windows) => predictAll(models, windows),
    async [Symbol.asyncDispose]() {
      for (const model of models.values()) await model.release();
      models.clear();
    },
  };
}

async function predictAll(
  models: ReadonlyMap<InputKind, LoadedModel>,
  windows: readonly Window[],
): Promise<readonly Prediction[]> {
  assert(windows.length <= predictWindowsMax, `at most ${predictWindowsMax} windows are predicted at once`);
  const predictions = windows.map(
    ({ startSeconds, input }): Prediction => ({
      startSeconds,
      score: null,
      input,
      modelId: modelOf(models, input).modelId,
    }),
  );
  for (const input of inputKinds) {
    const rows = windows.flatMap((window, row) =>
      window.input === input && window.quality.isUsable ? [{ window, row }] : [],
    );
    if (rows.length === 0) continue;
    const features = new Float64Array(rows.length * featureCount);
    for (const [index, { window }] of rows.entries()) features.set(featuresOf(signalOf(window)), index * featureCount);
    const scores = await modelOf(models, input).score(features, rows.length);
    for (const [index, { row }] of rows.entries()) {
      const prediction = predictions[row] as Prediction; // row is an index of windows
      predictions[row] = { ...prediction, score: roundScore(scores[index] as number) };
    }
  }
  return predictions;
}

/** A score as it is handed on: 0 … 1 in steps of 0.0001. */
export function roundScore(score: number): number {
  assert(Number.isFinite(score), 'a model gives a finite score');
  return Math.min(scoreSteps, Math.max(0, Math.round(score * scoreSteps))) / scoreSteps;
}

function modelOf(models: ReadonlyMap<InputKind, LoadedModel>, input: InputKind): LoadedModel {
  const model = models.get(input);
  assert(model !== undefined, 'the predictor has a model for each kind of input and is not disposed of');
  return model;
}

async function readModel(directory: string, input: InputKind): Promise<Uint8Array> {
  try {
    return await readFile(`${directory}/${input}.onnx`);
  } catch (cause) {
    throw new ModelFileError(`${input}.onnx cannot be read (${errorCode(cause)})`, { cause });
  }
}

function builtinModel(bytes: Uint8Array): LoadedModel {
  const { network } = decodeOnnx(bytes);
  return {
    modelId: shortContentId(bytes),
    async score(features, count) {
      // Single precision in, as the native runtime gets it.
      const single = Float32Array.from(features);
      return Float64Array.from({ length: count }, (_, index) =>
        scoreOf(network, single.subarray(index * featureCount, (index + 1) * featureCount)),
      );
    },
    release: async () => {},
  };
}

type Runtime = typeof import('onnxruntime-node');

async function loadRuntime(wanted: 'onnxruntime' | 'auto', logger: Logger): Promise<Runtime | null> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    if (wanted === 'onnxruntime') throw error;
    logger.info('onnxruntime-node is not there, the built-in forward pass is used', { code: errorCode(error) });
    return null;
  }
}

async function runtimeModel(runtime: Runtime, bytes: Uint8Array): Promise<LoadedModel> {
  // Read first by ourselves: features are checked, and a foreign graph never reaches the native code.
  decodeOnnx(bytes);
  const session = await runtime.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    modelId: shortContentId(bytes),
    async score(features, count) {
      const tensor = new runtime.Tensor('float32', Float32Array.from(features), [count, featureCount]);
      const output = (await session.run({ [onnxInputName]: tensor }))[onnxOutputName];
      assert(
        output?.data instanceof Float32Array && output.data.length === count,
        'the runtime gives one score per window',
      );
      return output.data;
    },
    release: () => session.release(),
  };
}
