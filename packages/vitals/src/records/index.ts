export {
  type AcknowledgedReading,
  acknowledgedMax,
  type CheckedPatient,
  type CheckedPatientReport,
  type CheckInput,
  type CheckReport,
  checkRecords,
  isSound,
} from './checker.ts';
export {
  createRecordsClient,
  type RecordsClient,
  type RecordsClientDeps,
  type RecordsClientOptions,
  type Span,
} from './client.ts';
export {
  alertRecord,
  alertStateBytesMax,
  describeWindow,
  digestReadings,
  openAlertEvent,
  openPrediction,
  openReading,
  openWindow,
  parseAlertEvent,
  parseAlertEventObject,
  predictionRecord,
  type RecordOpener,
  readingRecord,
  type StoredPrediction,
  type StoredWindow,
  windowRecord,
} from './codec.ts';
export { MalformedRecordError, RecordLimitError } from './parse.ts';
export { RecordsUnavailableError } from './peer-answers.ts';
export { type AskedBucket, storageLimits, storageProtocol } from './storage-wire.ts';
