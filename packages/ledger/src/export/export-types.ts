// What goes into an export: plain values, so that whoever stores or opened the records need not be known here.

/** What a window or prediction was made of: beat-to-beat intervals, an ideal rate, a wrist's. */
export type ExportInputKind = 'rr' | 'hr' | 'wrist';

export interface ExportReading {
  /** Milliseconds since 1970. */
  readonly tMs: number;
  readonly bpm: number;
  /** RR intervals since the reading before, milliseconds, oldest first; absent or empty: none were measured. */
  readonly rrMs?: readonly number[];
}

/** Ten seconds, and how well they were measured. */
export interface ExportWindow {
  readonly startSeconds: number;
  readonly readingCount: number;
  readonly missingSeconds: number;
  readonly implausibleCount: number;
  readonly isUsable: boolean;
  readonly input: ExportInputKind;
}

/** The rhythm model's word on a window: screening, not diagnosis. */
export interface ExportPrediction {
  readonly startSeconds: number;
  /** 0 … 1; null: the window could not be judged. */
  readonly score: number | null;
  readonly input: ExportInputKind;
  readonly modelId: string;
}

/** What happened to an alert. Nobody is named. */
export interface ExportAlert {
  readonly alertId: string;
  readonly event: 'raised' | 'resolved' | 'notified' | 'acknowledged';
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** What a custodian gave with a read. */
export interface ExportReceipt {
  /** CBOR of the `AccessReceipt`. */
  readonly encoded: Uint8Array;
  /** Peer id of who gave it, as `verifyAccessReceipt` found it. */
  readonly custodian: string;
}

/** Everything an export says. */
export interface ExportContent {
  /** Whose: the pseudonym, or for a researcher the grant's id. */
  readonly subject: string;
  readonly generatedMs: number;
  /** FHIR Consents (JSON) under which this was read; none where patients export their own. */
  readonly consents: readonly string[];
  /** Of the reads that brought the records. */
  readonly receipts: readonly ExportReceipt[];
  readonly readings: readonly ExportReading[];
  readonly windows: readonly ExportWindow[];
  readonly predictions: readonly ExportPrediction[];
  readonly alerts: readonly ExportAlert[];
}

/** Limits of one export. */
export const exportLimits = {
  /** Readings, windows, predictions and alerts in all: two days and more at one reading a second. */
  recordsMax: 250_000,
  receiptsMax: 1_000,
  consentsMax: 64,
  /** RR intervals of one reading. */
  intervalsMax: 64,
  /** Characters of an export that is read back. */
  charactersMax: 400 * 1024 * 1024,
} as const;

/** What every export says of scores and alerts. */
export const screeningNote = 'Screening, not diagnosis.';
