export { TrainingError } from './errors.ts';
export { areaUnderCurve, evaluateAtSite, patientCountOf } from './evaluation.ts';
export { patientCountShare, standardisedValueMax, trainingLimits, weightRecordsMax } from './layout.ts';
export type { LocalModel, LocalSettings } from './local-model.ts';
export { createLogisticModel } from './logistic.ts';
export {
  decodeState,
  encodeState,
  isStandardised,
  type ModelState,
  type Standardisation,
  stateHash,
} from './model-state.ts';
export {
  createRemoteModel,
  type RemoteModelDependencies,
  type RemoteModelOptions,
  remoteModelLimits,
} from './remote-model.ts';
export { createTrainingCombine } from './training-combine.ts';
export { createTrainingWork, type TaskRecords } from './training-work.ts';
