/** Limits of a chain that is reached over JSON-RPC. Those that options may change are defaults. */
export const chainLimits = {
  providersMax: 8,
  /** One question to one provider, milliseconds. */
  requestMsMax: 10_000,
  /** Bytes of one answer; a longer one is given up while it arrives. */
  answerBytesMax: 16 * 1024 * 1024,
  /** Questions being asked of one provider at a time; more wait their turn. */
  requestsPerProviderMax: 64,
  /** Questions that wait for their turn; more are refused. */
  requestsWaitingMax: 4_096,
  /** A provider that failed is left alone at least this long, doubled with each failure in a row, milliseconds. */
  backOffMs: 500,
  backOffMsMax: 60_000,
  /** After this long a provider shows again that it is the configured chain, milliseconds. */
  recheckMs: 600_000,
  /** Characters of a provider's error text that are kept. */
  errorTextMax: 200,
  /** Bytes of a revert's data that are kept. */
  revertBytesMax: 16 * 1024,
  /** Blocks asked for in one `eth_getLogs` at first; halved where a provider refuses, down to one. */
  logBlocksMax: 2_000,
  /** Logs that one answer may hold. */
  logsMax: 20_000,
  /** Blocks before the final one whose headers are asked whether they hold logs that were not given. */
  bloomBlocksMax: 512,
  /** Headers asked for at a time. */
  headersAtOnceMax: 16,
  /** Final blocks whose hashes are kept, to see where another branch begins. */
  branchBlocksMax: 64,
  /** How far back the transaction that did a step is looked for, in answers of `eth_getLogs`. */
  searchesMax: 64,
  /** Grants in one transaction: Osaka's cap of 2^24 gas (EIP-7825) ends near 400 purchases. */
  grantsPerStepMax: 200,
  /** Gas that one transaction may use (EIP-7825). */
  transactionGasMax: 16_777_216n,
  /** Bytes of one signed transaction that nodes take. */
  transactionBytesMax: 128 * 1024,
  /** Steps that are under way at a time. */
  stepsMax: 1_024,
  /** Steps that are done and remembered, so that repeating one is answered with what it did. */
  doneStepsMax: 10_000,
  /** Times a transaction is sent again with higher fees. */
  replacementsMax: 12,
  /** Times a step is sent anew after its nonce went to something else. */
  attemptsMax: 4,
  /** How often in a row a nonce must be seen used without a receipt before the transaction counts as replaced. */
  lostLooksMax: 3,
  /** A spending limit names this many tokens at most. */
  limitedTokensMax: 32,
} as const;
