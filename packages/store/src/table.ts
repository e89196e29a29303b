/** A change of a {@link Table}, made in a transaction. Keys are at most 256 bytes, values at most 16 MiB. */
export type TableChange =
  | { readonly kind: 'put'; readonly table: string; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'remove'; readonly table: string; readonly key: Uint8Array };

export interface TableRange {
  /** First key, inclusive; default the first there is. */
  readonly from?: Uint8Array;
  /** End, exclusive; default past the last. */
  readonly until?: Uint8Array;
  readonly limit?: number;
  readonly isReverse?: boolean;
}

export interface TableEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Ordered key-value tables with transactions over all of them: hand-off queues, outboxes, de-duplication,
 * replicated windows. Keys sort bytewise. Implementations: memory, LMDB; one contract suite.
 */
export interface TableStore extends AsyncDisposable {
  /** What is committed, or undefined. Synchronous: memory-mapped. */
  get(table: string, key: Uint8Array): Uint8Array | undefined;
  /** Committed entries in key order. */
  range(table: string, range?: TableRange): Iterable<TableEntry>;
  count(table: string): number;
  /**
   * Applies all changes or none, in order; resolves once they are durable (survive a power cut).
   * Commits of callers waiting at the same time share one flush (group commit).
   * @throws {StoreFullError} (nothing changed, retryable) · {StoreFailedError} (the disk failed: stop the process).
   */
  commit(changes: readonly TableChange[]): Promise<void>;
}
