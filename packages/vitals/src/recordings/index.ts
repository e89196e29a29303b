export { type DemoEntry, demoPromise, demoTable } from './demo-table.ts';
export {
  type GeneratedRhythm,
  type GeneratedStretch,
  generatedSecondsMax,
  generateRecording,
  type HeartProfile,
  restingHeart,
} from './generator.ts';
export { locateRecordings } from './locate.ts';
export { isMonitorHeader, parseMonitorCsv } from './monitor-csv.ts';
export { openRecordings, type RecordingFile } from './open-recordings.ts';
export {
  type BeatRecording,
  type RateRecording,
  type Recording,
  RecordingError,
  type RecordingKind,
  type RhythmChange,
  recordingLimits,
} from './recording.ts';
export { fibrillationEpisodes, fibrillationRhythms, type RhythmSpan, rhythmSpans } from './rhythm.ts';
export { parseRrCsv } from './rr-csv.ts';
export { durationSeconds, type SeriesPoint, type SeriesRange, sensorRangeMs, seriesOf, toReadings } from './series.ts';
export {
  countBeats,
  parseWfdbAnnotations,
  parseWfdbHeader,
  recordingOfAnnotations,
  type WfdbAnnotation,
  type WfdbHeader,
} from './wfdb.ts';
