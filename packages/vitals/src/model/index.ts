export { type AlertFigures, alertFigures, episodeSecondsMin, type ScoredRecording } from './alert-figures.ts';
export { type RecordedWindows, recordedWindows, windowsOf } from './dataset.ts';
export { type EvaluatedModel, type EvaluateModelOptions, type EvaluationReport, evaluateModel } from './evaluate.ts';
export { featureCount, featureMax, featureNames, featuresOf } from './features.ts';
export type { AlertSummary, PooledFigures, RecordFigures, WindowFigures } from './figures.ts';
export { type Progress, patientOf, trainingSetOf } from './folds.ts';
export { fingerprintOf, type ModelManifest, type ModelManifestEntry, manifestFile, readManifest } from './manifest.ts';
export { type DenseLayer, type RhythmNetwork, scoreOf } from './network.ts';
export { decodeOnnx, encodeOnnx, modelBytesMax } from './onnx.ts';
export {
  createPredictor,
  inputKinds,
  type Predictor,
  type PredictorEngine,
  type PredictorOptions,
  predictWindowsMax,
  roundScore,
  shippedModelsDirectory,
} from './predictor.ts';
export { ModelFileError } from './protobuf.ts';
export { areaUnderCurve, sensitivityAt } from './scoring.ts';
export {
  type ModelProvenance,
  modelInService,
  openServicePredictor,
  provenanceOf,
  putIntoService,
  takeOutOfService,
} from './service-models.ts';
export {
  createSharedRhythmModel,
  networkOfState,
  type SharedRhythmModel,
  type SharedSettings,
  type SharedState,
  type SharedTable,
  type SharedWork,
  sharedParameterCount,
} from './shared-model.ts';
export { signalOf, signalValuesMax } from './signal.ts';
export {
  type ContinueOptions,
  continueTraining,
  createNetwork,
  defaultTrainerOptions,
  type Standardisation,
  standardisationOf,
  type TrainerOptions,
  type TrainingSet,
  trainNetwork,
} from './trainer.ts';
export { defaultFolds, type TrainModelsOptions, trainModels } from './training.ts';
