import type { ExportContent, ExportReceipt } from '@pulsemesh/ledger';
import { recordKinds, type SealedRecord } from '@pulsemesh/store';
import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import type { Patient } from '@pulsemesh/vitals/people';
import {
  openAlertEvent,
  openPrediction,
  openReading,
  openWindow,
  type RecordsClient,
  type StoredPrediction,
  type StoredWindow,
} from '@pulsemesh/vitals/records';
import type { GrantView } from '../api/types.ts';
import type { Download, ExportFormat } from '../gateway/consent-backend.ts';

/** A record as a researcher's office opened it. */
export interface OpenedRecord {
  readonly kind: number;
  readonly bucketSeconds: number;
  readonly plaintext: Uint8Array;
}

/** What is exported, of whoever it is. */
export interface ExportedRecords {
  readonly readings: readonly {
    readonly tMs: number;
    readonly heartRateBpm: number;
    readonly rrMs: readonly number[];
  }[];
  readonly windows: readonly StoredWindow[];
  readonly predictions: readonly StoredPrediction[];
  readonly alerts: readonly AlertEvent[];
}

export const noRecords: ExportedRecords = { readings: [], windows: [], predictions: [], alerts: [] };

const dayMs = 86_400_000;
/** Of one download, so that it fits a request. */
const spanMsMax = 31 * dayMs;

/** Recording time of a download: the grant's so far, its last month at most; without a grant the last day. */
export function spanOfExport(grant: Pick<GrantView, 'fromMs' | 'untilMs'> | null, nowMs: number) {
  // Recording time of a replay runs ahead of the clock: a grant's own end is what counts.
  const untilMs = grant?.untilMs ?? nowMs + dayMs;
  const fromMs = Math.max(grant?.fromMs ?? nowMs - dayMs, untilMs - spanMsMax);
  return { fromSeconds: Math.floor(fromMs / 1000), untilSeconds: Math.ceil(untilMs / 1000) };
}

/** The patient's own records of a span, opened with the patient's own keys. @throws retryable Conditions of the network. */
export async function readOwnRecords(
  records: RecordsClient,
  { keyTree, userId }: Pick<Patient, 'keyTree' | 'userId'>,
  span: { readonly fromSeconds: number; readonly untilSeconds: number },
): Promise<ExportedRecords> {
  const [readings, windows, predictions, alerts] = await Promise.all([
    records.readings(keyTree, userId, span),
    records.windows(keyTree, span),
    records.predictions(keyTree, span),
    records.alertEvents(keyTree, span),
  ]);
  return { readings, windows, predictions, alerts };
}

/** Plaintexts that a grant's keys opened, as what they are. @throws {MalformedRecordError} where one is none. */
export function decodeRecords(opened: readonly OpenedRecord[]): ExportedRecords {
  const of = <T>(kind: number, read: (record: SealedRecord, opener: { open(): Uint8Array }) => T): T[] =>
    opened
      .filter((record) => record.kind === kind)
      .map(({ plaintext, bucketSeconds }) => read({ ...place, bucketSeconds }, { open: () => plaintext }));
  const nobody = '' as Patient['userId']; // whose it is stays with the patient
  return {
    readings: of(recordKinds.reading, (record, opener) => openReading(opener, record, nobody)).sort(
      (one, other) => one.tMs - other.tMs,
    ),
    windows: of(recordKinds.window, (record, opener) => openWindow(opener, record)),
    predictions: of(recordKinds.prediction, (record, opener) => openPrediction(opener, record)),
    alerts: of(recordKinds.alert, (record, opener) => openAlertEvent(opener, record)),
  };
}

/** What the opener does not look at: it holds the plaintext. */
const place = {
  subject: new Uint8Array(16),
  kind: recordKinds.reading,
  id: new Uint8Array(16),
  revision: 0,
  sealed: new Uint8Array(0),
} as const;

interface Exported {
  readonly data: ExportedRecords;
  readonly receipts: readonly ExportReceipt[];
  /** FHIR Consent (JSON text) that the records are given under; null: the patient's own export of everything. */
  readonly consent: string | null;
  /** The patient's pseudonym in the patient's own export; the grant's id for a researcher, who is not told. */
  readonly subject: string;
  readonly nowMs: number;
}

/** The file in the format asked for. Others have their turn meanwhile. @throws {ExportLimitError}. */
export async function exportOf(exported: Exported, format: ExportFormat): Promise<Download> {
  const { csvPieces, fhirBundlePieces } = await import('@pulsemesh/ledger');
  const content = contentOf(exported);
  return format === 'csv'
    ? {
        fileName: 'pulsemesh-records.csv',
        contentType: 'text/csv; charset=utf-8',
        body: await joined(csvPieces(content)),
      }
    : {
        fileName: 'pulsemesh-bundle.json',
        contentType: 'application/fhir+json; charset=utf-8',
        body: await joined(fhirBundlePieces(content)),
      };
}

async function joined(pieces: Iterable<string>): Promise<string> {
  const all: string[] = [];
  for (const piece of pieces) {
    all.push(piece);
    await new Promise<void>((resolve) => setImmediate(resolve)); // others have their turn
  }
  return all.join('');
}

function contentOf({ data, receipts, consent, subject, nowMs }: Exported): ExportContent {
  return {
    subject,
    generatedMs: nowMs,
    consents: consent === null ? [] : [consent],
    receipts,
    readings: data.readings.map(({ tMs, heartRateBpm, rrMs }) => ({ tMs, bpm: heartRateBpm, rrMs })),
    windows: data.windows.map(({ startSeconds, readingCount, input, quality }) => ({
      ...{ startSeconds, readingCount, input },
      ...quality,
    })),
    predictions: data.predictions.map(({ startSeconds, score, input, modelId }) => ({
      ...{ startSeconds, score, input, modelId },
    })),
    alerts: data.alerts.map((event) => ({
      alertId: event.alertId,
      event: event.type,
      atMs: 'atMs' in event ? event.atMs : event.atSeconds * 1000,
    })),
  };
}
