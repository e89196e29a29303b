import { Condition } from '@pulsemesh/base';
import type { TaskBody } from '@pulsemesh/board';
import {
  type Combine,
  createLogisticModel,
  createSurveyCombine,
  createSurveyWork,
  createTrainingCombine,
  createTrainingWork,
  type LocalModel,
  type LocalWork,
  type TaskRecords,
} from '@pulsemesh/learning';
import { createSharedRhythmModel } from '@pulsemesh/vitals/model';
import { rhythmQuery } from './rhythm-records.ts';

/** This program knows no model of the family that a task names. */
export class UnknownModelError extends Condition {
  override readonly name = 'UnknownModelError';
  constructor(family: string) {
    super('model-unknown', `this program has no model of the family ${family.slice(0, 64)}`);
  }
}

/** The model of a training task. @throws {UnknownModelError}. */
export function modelOfTask({ work, query }: TaskBody): LocalModel {
  const family = work.kind === 'training' ? work.model.family : 'survey';
  const rhythm = createSharedRhythmModel();
  // Under noise inputs are scaled by what is public: of hearts something is, of other tables nothing.
  const isOfHearts = query.name === rhythmQuery.name && query.columns.length === rhythmQuery.columns.length;
  const logistic = createLogisticModel(isOfHearts ? rhythm.publicStandardisation() : null);
  const model = [rhythm, logistic].find((one) => one.family === family);
  if (model === undefined) throw new UnknownModelError(family);
  return model;
}

/** What a site does in a task's rounds. @throws {UnknownModelError}. */
export function workOfTask(task: TaskBody, records: TaskRecords): LocalWork {
  return task.work.kind === 'survey'
    ? createSurveyWork({ records })
    : createTrainingWork({ model: modelOfTask(task), records });
}

/** What the aggregator makes of a task's sums. @throws {UnknownModelError}. */
export function combineOfTask(task: TaskBody): Combine {
  return task.work.kind === 'survey' ? createSurveyCombine() : createTrainingCombine({ model: modelOfTask(task) });
}
