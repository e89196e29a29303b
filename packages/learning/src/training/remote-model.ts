import type { Random } from '@pulsemesh/base';
import type { TrainingWork } from '@pulsemesh/board';
import { toHex } from '@pulsemesh/wire';
import { type LearningTable, rowCountOf } from '../data/table.ts';
import { TrainingError } from './errors.ts';
import type { LocalModel } from './local-model.ts';
import type { ModelState } from './model-state.ts';

export interface RemoteModelOptions {
  /** As tasks name it. */
  readonly family: string;
  /** Default: all 0. A pure function of the work. */
  readonly firstWeights?: (work: TrainingWork) => Float32Array;
}

export interface RemoteModelDependencies {
  /**
   * One message to the trainer and its answer. Records are in it: whoever makes this seals both ways, as `examples/learning-trainer.py`
   * does, or speaks to a process on the same machine.
   */
  readonly ask: (message: Uint8Array) => Promise<Uint8Array>;
  /** Names runs. */
  readonly random: Random;
}

/** Records go in parts of this many bytes; a table is refused past `tableBytesMax`, answers past what was asked for. */
export const remoteModelLimits = { partBytes: 384 * 1024, tableBytesMax: 1024 * 1024 * 1024 } as const;

/**
 * A model that another program trains, in any language: `train` and `score` as messages (packages/learning/README.md, "A trainer in
 * another language"). Weights, inputs and answers are numbers in single precision, little endian.
 */
export function createRemoteModel(
  { family, firstWeights }: RemoteModelOptions,
  dependencies: RemoteModelDependencies,
): LocalModel {
  return {
    family,
    fault: () => null,
    firstWeights: (work) => firstWeights?.(work) ?? new Float32Array(work.model.parameters),
    publicStandardisation: () => null,
    async train(state, table, { work, from, until, random }) {
      const settings = { work, from, until, seed: random.integer(2 ** 32) };
      return await exchange({ kind: 'train', family, settings }, state, table, state.weights.length, dependencies);
    },
    async scores(state, table) {
      const scores = await exchange({ kind: 'score', family }, state, table, rowCountOf(table), dependencies);
      return Float64Array.from(scores);
    },
  };
}

/** The header is JSON, with its length before it: 4 bytes, little endian. Each part has it, and a piece of the whole after it. */
async function exchange(
  header: Readonly<Record<string, unknown>>,
  state: ModelState,
  table: LearningTable,
  expected: number,
  { ask, random }: RemoteModelDependencies,
): Promise<Float32Array> {
  const body = bodyOf(state, table);
  const parts = Math.max(1, Math.ceil(body.length / remoteModelLimits.partBytes));
  const run = toHex(random.bytes(16));
  const sizes = { inputs: table.columns.length, parameters: state.weights.length, rows: rowCountOf(table) };
  let answer: Uint8Array = new Uint8Array(0);
  for (let part = 0; part < parts; part += 1) {
    const start = part * remoteModelLimits.partBytes;
    const text = new TextEncoder().encode(JSON.stringify({ version: 1, ...header, ...sizes, run, part, parts }));
    const piece = body.subarray(start, start + remoteModelLimits.partBytes);
    const message = new Uint8Array(4 + text.length + piece.length);
    new DataView(message.buffer).setUint32(0, text.length, true);
    message.set(text, 4);
    message.set(piece, 4 + text.length);
    answer = await ask(message);
  }
  if (answer.length !== expected * 4)
    throw new TrainingError(
      'training-update-malformed',
      'the trainer gave another number of values than was asked for',
    );
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  return Float32Array.from({ length: expected }, (_, index) => view.getFloat32(index * 4, true));
}

/** Means, scales, weights, inputs row by row; then a byte per label. */
function bodyOf({ means, scales, weights }: ModelState, { values, labels }: LearningTable): Uint8Array {
  const count = means.length + scales.length + weights.length + values.length;
  if (count * 4 + labels.length > remoteModelLimits.tableBytesMax)
    throw new TrainingError('training-unfit', 'more records than go to a trainer at once');
  const bytes = new Uint8Array(count * 4 + labels.length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const numbers of [means, scales, weights, values]) {
    for (const value of numbers) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  bytes.set(labels, at);
  return bytes;
}
