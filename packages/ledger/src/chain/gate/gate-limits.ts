/** Limits of what pages may ask of a ledger through the gateway. */
export const gateLimits = {
  /** Questions in one batch. */
  batchMax: 20,
  /** Questions being asked at a time, of all pages; more are refused. */
  questionsMax: 64,
  /** Characters of the data of one call. */
  callDataMax: 2 * 128 * 1024,
  /** Characters of a signed transaction. */
  transactionMax: 2 * 128 * 1024 + 2,
  /** Blocks one `eth_getLogs` looks through. */
  logBlocksMax: 10_000n,
  /** Blocks of one `eth_feeHistory`. */
  feeHistoryMax: 64n,
  percentilesMax: 16,
  topicsMax: 16,
} as const;
