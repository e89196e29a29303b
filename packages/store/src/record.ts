/** What a record is about; the number is what stores see. */
export const recordKinds = { reading: 1, window: 2, prediction: 3, alert: 4 } as const;
export type RecordKind = (typeof recordKinds)[keyof typeof recordKinds];

/**
 * One sealed record as stores and storage peers see it: a pseudonym, a kind, a time bucket, an opaque id,
 * a revision; never a value. The first four are its key.
 */
export interface SealedRecord {
  /** 16 bytes. */
  readonly subject: Uint8Array;
  readonly kind: RecordKind;
  /** Start of the ten seconds it belongs to, in whole seconds since 1970. */
  readonly bucketSeconds: number;
  /** 16 bytes, opaque, chosen by the writer so that writing the same thing twice gives the same id. */
  readonly id: Uint8Array;
  /** 0 … 2^31-1. Of two records with one key the higher revision stays; at equal revision the one that was there. */
  readonly revision: number;
  /** Authenticated ciphertext, at most 64 KiB. */
  readonly sealed: Uint8Array;
}

/** Where the second copy lies: a peer and the epoch of its store (a new epoch means that it lost everything). */
export interface CopyHolder {
  readonly peer: string;
  readonly epoch: string;
}

export interface RecordQuery {
  readonly subject: Uint8Array;
  readonly kind: RecordKind;
  /** Inclusive. */
  readonly fromSeconds: number;
  /** Exclusive. */
  readonly untilSeconds: number;
  /** 1 … 10,000. */
  readonly limit: number;
  /** Newest first; default oldest first. */
  readonly isReverse?: boolean;
}

/** How many records one bucket of one subject holds, and the bitwise xor of their ids (16 bytes): equal sets, equal digests. */
export interface BucketDigest {
  readonly count: number;
  readonly idsXor: Uint8Array;
}

/** A position in {@link RecordStore.scan}. */
export type ScanCursor = Uint8Array;

/**
 * Records, durable before a promise resolves, kept off the event loop. Implementations: memory,
 * node:sqlite in a worker thread (WAL, synchronous FULL, group commit); one contract suite.
 */
export interface RecordStore extends AsyncDisposable {
  /** Random, made when the store was created: a store that lost its disk has another. */
  readonly epoch: string;
  /**
   * Writes all or nothing. `copy` says who holds the second copy; null when nobody does yet (it is owed).
   * For a record already there at the same revision only `copy` is updated, also to null: who writes it again alone
   * may do so because the other died before it wrote, and a copy owed once too often does no harm. At a higher
   * revision nothing changes: whoever holds a lower one holds no copy of it.
   * @throws {StoreFullError} (retryable) · {StoreFailedError}.
   */
  put(records: readonly SealedRecord[], copy: CopyHolder | null): Promise<void>;
  query(query: RecordQuery): Promise<readonly SealedRecord[]>;
  /** One digest per asked bucket, in order. */
  digests(
    asked: readonly { readonly subject: Uint8Array; readonly kind: RecordKind; readonly bucketSeconds: number }[],
  ): Promise<readonly BucketDigest[]>;
  /** Records whose second copy is owed, at most `limit`. */
  owed(limit: number): Promise<readonly SealedRecord[]>;
  /** Owes every second copy that `lost` held; resolves to how many. */
  forgetCopies(lost: CopyHolder): Promise<number>;
  /** Every holder that second copies are attributed to. */
  copyHolders(): Promise<readonly CopyHolder[]>;
  /** All records in key order, page by page: for fill, export, checks. */
  scan(after: ScanCursor | null, limit: number): Promise<{ records: readonly SealedRecord[]; next: ScanCursor | null }>;
  subjects(): Promise<readonly Uint8Array[]>;
  counts(): Promise<Readonly<Record<RecordKind, number>>>;
}
