export { type AuditSource, auditEvent } from './audit-event.ts';
export { type CsvContent, type CsvRow, csvExport, csvPieces, readCsv } from './csv.ts';
export { ExportLimitError, ExportMalformedError } from './errors.ts';
export {
  type ExportAlert,
  type ExportContent,
  type ExportInputKind,
  type ExportPrediction,
  type ExportReading,
  type ExportReceipt,
  type ExportWindow,
  exportLimits,
} from './export-types.ts';
export type { FhirResource } from './fhir.ts';
export { type FhirBundle, fhirBundle, fhirBundlePieces } from './fhir-bundle.ts';
export { readFhirBundle } from './read-bundle.ts';
