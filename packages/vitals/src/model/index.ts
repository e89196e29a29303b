export { type AlertFigures, alertFigures, episodeSecondsMin, type ScoredRecording } from './alert-figures.ts';
export { type RecordedWindows, recordedWindows, windowsOf } from './dataset.ts';
export { featureCount, featureMax, featureNames, featuresOf } from './features.ts';
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
export { signalOf, signalValuesMax } from './signal.ts';
export { defaultTrainerOptions, type TrainerOptions, type TrainingSet, trainNetwork } from './trainer.ts';
