import { assert, createSeededRandom } from '@pulsemesh/base';
import type { RecordedWindows } from './dataset.ts';
import { featureCount } from './features.ts';
import { type RhythmNetwork, scoreOf } from './network.ts';
import { roundScore } from './predictor.ts';
import { type TrainerOptions, type TrainingSet, trainNetwork } from './trainer.ts';

/** Reports how far a long computation is; `done` of `total` steps. */
export type Progress = (step: { readonly what: string; readonly done: number; readonly total: number }) => void;

export interface FoldOptions {
  readonly folds: number;
  readonly seed: number;
  readonly trainer: TrainerOptions;
}

/** Records of one person (MITDB 201 and 202 are the same man's, says its directory). */
const samePatient: ReadonlyMap<string, string> = new Map([['mitdb202', 'mitdb201']]);

/** Whose recording this is: a record is a patient of its own unless its source says otherwise. */
export function patientOf(name: string): string {
  const full = /^\d{3}$/.test(name) ? `mitdb${name}` : name;
  return samePatient.get(full) ?? full;
}

/**
 * Scores every recording by a network that was trained on other patients' only: patients are dealt into folds in order
 * of name, each fold is scored by what the other folds teach. Same recordings, options and seed: same scores.
 */
export function crossValidate(
  recordings: readonly RecordedWindows[],
  options: FoldOptions,
  progress: Progress = () => {},
): ReadonlyMap<string, Float64Array> {
  const patients = [...new Set(recordings.map(({ name }) => patientOf(name)))].sort();
  assert(options.folds >= 2 && options.folds <= patients.length, 'there is a patient for each of at least two folds');
  const foldOf = new Map(patients.map((patient, index) => [patient, index % options.folds]));
  const scores = new Map<string, Float64Array>();
  for (let fold = 0; fold < options.folds; fold += 1) {
    const isHeld = ({ name }: RecordedWindows) => foldOf.get(patientOf(name)) === fold;
    const taught = trainingSetOf(recordings.filter((recording) => !isHeld(recording)));
    const network = trainNetwork(taught, options.trainer, createSeededRandom(options.seed + 1 + fold));
    for (const recording of recordings.filter(isHeld)) scores.set(recording.name, scoresOf(network, recording));
    progress({ what: 'fold', done: fold + 1, total: options.folds });
  }
  return scores;
}

/** Rounded scores of all windows, also of those that are not usable. */
export function scoresOf(network: RhythmNetwork, recording: RecordedWindows): Float64Array {
  return Float64Array.from(recording.labels, (_, index) =>
    roundScore(
      scoreOf(
        network,
        Float32Array.from(recording.features.subarray(index * featureCount, (index + 1) * featureCount)),
      ),
    ),
  );
}

/** All usable, labelled windows of the recordings, each counting the same. */
export function trainingSetOf(recordings: readonly RecordedWindows[]): TrainingSet {
  const isUsed = (recording: RecordedWindows, index: number) =>
    recording.usable[index] === 1 && recording.labels[index] !== -1;
  let count = 0;
  for (const recording of recordings) {
    for (let index = 0; index < recording.labels.length; index += 1) if (isUsed(recording, index)) count += 1;
  }
  const set = {
    features: new Float64Array(count * featureCount),
    labels: new Uint8Array(count),
    weights: new Float64Array(count).fill(1),
    featureCount,
  };
  let row = 0;
  for (const recording of recordings) {
    for (const [index, label] of recording.labels.entries()) {
      if (!isUsed(recording, index)) continue;
      set.features.set(
        recording.features.subarray(index * featureCount, (index + 1) * featureCount),
        row * featureCount,
      );
      set.labels[row] = label;
      row += 1;
    }
  }
  return set;
}
