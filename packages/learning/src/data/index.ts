export {
  type Consent,
  type ConsentProof,
  type ConsentRegister,
  type ConsentTree,
  consentLeafHash,
  consentsInForce,
  consentTreeOf,
  isInForce,
} from './consents.ts';
export { createCsvSource, csvLimits } from './csv-source.ts';
export { type ColumnDrift, type DriftReference, driftOf, driftReferenceOf, driftReferenceSchema } from './drift.ts';
export { DataError, type DataQuery, type QueryColumn, queryOfTask } from './query.ts';
export type { ReadRecords, RecordSource } from './record-source.ts';
export {
  createSiteRecords,
  type InclusionReceipt,
  receiptLimits,
  type SiteRecords,
  type SiteRecordsDependencies,
  type SiteRecordsOptions,
} from './site-records.ts';
export { assertTable, type LearningTable, rowCountOf, rowsOfPatient, selectRows } from './table.ts';
