import type { Random } from '@pulsemesh/base';
import type { TrainingWork } from '@pulsemesh/board';
import type { LearningTable } from '../data/table.ts';
import type { ModelState, Standardisation } from './model-state.ts';

/** What a local training is told besides weights and records. */
export interface LocalSettings {
  readonly work: TrainingWork;
  /** Which part of the whole training this is, 0 … 1: steps may shrink along it. */
  readonly from: number;
  readonly until: number;
  /** Seeded from the task: same task, round and records, same update. */
  readonly random: Random;
}

/**
 * A model as learning sees it: a function from weights and a site's records to weights. The rhythm network of @pulsemesh/vitals,
 * the logistic regression here, and whatever a site brings itself, in Python too ({@link createRemoteModel}).
 */
export interface LocalModel {
  /** As the task's `model.family` names it. */
  readonly family: string;
  /** Why a task's work is none of this model; null: it is. */
  fault(work: TrainingWork): string | null;
  /** What training starts from; a pure function of the work, its seed included. */
  firstWeights(work: TrainingWork): Float32Array;
  /** How inputs are scaled where privacy terms leave nothing for asking the sites: from public knowledge alone; null: not at all. */
  publicStandardisation(work: TrainingWork): Standardisation | null;
  /** Trains on from the state's weights, inputs standardised as the state says; gives as many weights. */
  train(
    state: ModelState,
    table: LearningTable,
    settings: LocalSettings,
  ): Promise<Float32Array | Float64Array> | Float32Array | Float64Array;
  /** A score 0 … 1 per row. */
  scores(state: ModelState, table: LearningTable): Promise<Float64Array> | Float64Array;
}
