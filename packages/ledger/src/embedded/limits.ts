/** Limits of an embedded chain. Full always means a refusal that says which limit, never a wait without end. */
export const embeddedLimits = {
  /** Transactions in one block. */
  transactionsPerBlockMax: 256,
  /** A block is closed after this long, so that reads are not held up and nobody waits for the last of a long row, milliseconds. */
  blockBuildMsMax: 200,
  /** Gas of one block; a transaction's own cap is lower (EIP-7825: 2^24). */
  blockGasMax: 60_000_000n,
  /** Bytes of one signed transaction (what other nodes take too). */
  transactionBytesMax: 128 * 1024,
  /** Transactions that wait to be sealed, in all. */
  waitingMax: 4_096,
  /** Of these, one sender's. */
  waitingPerSenderMax: 256,
  /** How far ahead of its turn a nonce may be. */
  nonceGapMax: 256,
  /** How long a transaction waits for those that go before it, milliseconds. */
  nonceGapMsMax: 5_000,
  /** Bytes of one JSON-RPC request body. */
  bodyBytesMax: 1024 * 1024,
  /** Calls in one JSON-RPC batch. */
  batchMax: 100,
  /** JSON-RPC calls being answered at a time. */
  callsMax: 1_024,
  /** Open connections. */
  connectionsMax: 512,
  /** Blocks one `eth_getLogs` looks through. */
  logBlocksMax: 100_000,
  /** Logs one `eth_getLogs` gives back. */
  logsMax: 10_000,
  /** Bytes of the data of the logs that one `eth_getLogs` gives back. */
  logBytesMax: 8 * 1024 * 1024,
  /** Bytes of the answer that a sealed block comes in, taken from a chain that somebody else runs: all its gas spent on data, in hex, and room. */
  sealedBlockBytesMax: 32 * 1024 * 1024,
  /** Addresses, and topics at one place, of one log filter. */
  filterItemsMax: 64,
  /** Blocks of one `eth_feeHistory`. */
  feeHistoryMax: 1_024,
  /** Reads that may be executed one after another while others wait, calls. */
  executionsWaitingMax: 512,
  /** Entries of state kept in memory for reading; the rest is a read from the database away. */
  stateCacheMax: 200_000,
  /** Contract codes kept in memory. */
  codeCacheMax: 256,
  /** Signatures whose signer is remembered. */
  recoveredMax: 16_384,
  /** Signatures that the helping thread is asked about at a time; more are looked at by the chain itself. */
  recoveriesWaitingMax: 64,
  /** Transactions kept in memory as they were read. */
  readTransactionsMax: 2_048,
  /** Bytes of a revert's data that are kept in an error. */
  revertBytesMax: 16 * 1024,
} as const;
