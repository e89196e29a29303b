export { codeHash } from './code-hash.ts';
export { dataQuerySchema } from './data-query.ts';
export { writeDriftReference } from './drift-reference.ts';
export { type EnrolledLearnerOptions, startEnrolledLearner } from './enrolled-learner.ts';
export type { Learner } from './learner.ts';
export { type SiteSettingsInput, siteSettingsSchema } from './learner-settings.ts';
export { openSite } from './open-site.ts';
export { readBudget } from './read-budget.ts';
export { rhythmQuery } from './rhythm-records.ts';
export { rhythmPurpose } from './rhythm-task.ts';
export { factsOf } from './run-learner.ts';
export { type RunTasksOptions, runTasks, type TaskHappening } from './run-tasks.ts';
export { adopt, compare, type ModelComparison, type Site, stateOf } from './site.ts';
export {
  type NoiseTerms,
  type StudyTerms,
  StudyUnfitError,
  surveyTask,
  type TrainingTerms,
  trainingTask,
} from './study-tasks.ts';
export { keptResult } from './task-results.ts';
export { combineOfTask, UnknownModelError } from './work-of-task.ts';
