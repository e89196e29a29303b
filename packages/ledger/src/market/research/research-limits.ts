/** Limits of a researcher's office. */
export const researchLimits = {
  asksMax: 5_000,
  /** Requests and offers that nothing came of are kept so long after they ran out; looked for so often. */
  keptMs: 90 * 24 * 3600_000,
  tidyEveryMs: 3600_000,
  offersPerAskMax: 10_000,
  countersPerAskMax: 1_000,
  grantsMax: 100_000,
  accountsMax: 100,
  /** Grants in one purchase: what a transaction of 2^24 gas holds, with room to spare. */
  grantsPerPurchaseMax: 200,
  /** A binding of an account is made for so long, and made anew this long before it ends. */
  bindingForMs: 180 * 24 * 3600_000,
  bindingRenewMs: 95 * 24 * 3600_000,
  /** How often the office looks at its clock. */
  tickMs: 15_000,
  /** A custodian that does not hand over a key is asked again, or another one is: after so long, doubled each time. */
  claimMsMin: 30_000,
  claimMsMax: 10 * 60_000,
  /** Custodians have so long to put a receipt on the ledger before the office does it itself. */
  confirmAfterMs: 60_000,
  /** A key on the ledger whose envelope did not come or does not open is disputed so long before the window for that ends. */
  disputeBeforeMs: 6 * 3600_000,
  readsAtOnceMax: 64,
  /** A custodian that does not go on answering for so long is given up, and the next one asked. */
  readWithinMs: 60_000,
  /** Sealed bytes of one answer. */
  readBytesMax: 128 * 1024 * 1024,
  /** Pages of one answer; custodians fill each. */
  readPagesMax: 8_192,
  /** Requests that one call may need: custodians serve as much as their limits let them. */
  readsPerCallMax: 10_000,
  /** Receipts that are kept of one grant, and shown in all. */
  accessesPerGrantMax: 2_000,
  accessesShownMax: 500,
} as const;
