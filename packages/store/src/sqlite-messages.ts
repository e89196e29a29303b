import type { BucketDigest, CopyHolder, RecordKind, RecordQuery, ScanCursor } from './record.ts';

/** How the worker opens the database. */
export interface SqliteSettings {
  readonly file: string;
  /** Used when the store is new. */
  readonly newEpoch: string;
  readonly bytesMax: number;
  readonly reserveBytes: number;
}

/** What the store asks of its worker, and what each answer holds. Records travel packed. */
export interface SqliteCalls {
  put: { readonly ask: { readonly puts: readonly PackedPut[]; readonly packed: ArrayBuffer }; readonly answer: null };
  query: { readonly ask: RecordQuery; readonly answer: ArrayBuffer };
  digests: { readonly ask: readonly AskedBucket[]; readonly answer: readonly BucketDigest[] };
  owed: { readonly ask: number; readonly answer: ArrayBuffer };
  forgetSome: {
    readonly ask: { readonly lost: CopyHolder; readonly after: ScanCursor | null };
    readonly answer: { readonly count: number; readonly next: ScanCursor | null };
  };
  copyHolders: { readonly ask: null; readonly answer: readonly CopyHolder[] };
  scan: {
    readonly ask: { readonly after: ScanCursor | null; readonly limit: number };
    readonly answer: { readonly packed: ArrayBuffer; readonly next: ScanCursor | null };
  };
  subjects: { readonly ask: null; readonly answer: readonly Uint8Array[] };
  counts: { readonly ask: null; readonly answer: Readonly<Record<RecordKind, number>> };
  close: { readonly ask: null; readonly answer: null };
}
export type SqliteCallName = keyof SqliteCalls;

/** The next `count` packed records were one put. */
export interface PackedPut {
  readonly count: number;
  readonly copy: CopyHolder | null;
}

export interface AskedBucket {
  readonly subject: Uint8Array;
  readonly kind: RecordKind;
  readonly bucketSeconds: number;
}

export interface SqliteRequest {
  readonly call: number;
  readonly name: SqliteCallName;
  readonly ask: unknown;
}

/** Call 0 is the opening; its answer is the epoch. */
export type SqliteResponse =
  | { readonly call: number; readonly isOk: true; readonly answer: unknown }
  | { readonly call: number; readonly isOk: false; readonly fault: SqliteFault };

/** A condition as it crosses the thread: errors themselves lose their class on the way. */
export type SqliteFault =
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'locked' }
  | { readonly kind: 'limit'; readonly limit: string }
  | { readonly kind: 'schema'; readonly found: string; readonly known: number }
  | { readonly kind: 'failed'; readonly operation: string; readonly text: string };
