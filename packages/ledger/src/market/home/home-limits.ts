/** Limits of a home's office; past them requests are dropped and counted, and what people ask for is refused with the reason. */
export const homeLimits = {
  /** Requests that are kept at one time, and those of one researcher. */
  asksMax: 2_000,
  asksPerPeerMax: 100,
  /** No request waits longer, whatever it says. */
  askForMsMax: 90 * 24 * 3600_000,
  /** A clock may be ahead by so much. */
  clockAheadMsMax: 10 * 60_000,
  /** Kept for the patient to look at after they ran out. */
  askKeptMs: 30 * 24 * 3600_000,
  /** Drafts of one patient; the oldest gives way. */
  draftsPerPatientMax: 8,
  draftForMs: 15 * 60_000,
  /** A handle of a counter-proposal can be used for so long. */
  handleForMs: 30 * 24 * 3600_000,
  grantsMax: 50_000,
  grantsPerPatientMax: 1_000,
  /** Accesses that are kept of one grant, and shown of one patient; the oldest give way. */
  accessesPerGrantMax: 2_000,
  accessesShownMax: 500,
  /** Roots of one custodian's log that are kept; the oldest give way. */
  anchorsPerCustodianMax: 2_000,
  alarmsMax: 1_000,
  /** Withdrawals of one purse that are told apart from one that the ledger shows again. */
  withdrawalsKeptMax: 64,
  /** Answers of one custodian's public log that are read at a time. */
  logPartsMax: 64,
  /** How often the office looks at its clock, and at public logs. */
  tickMs: 60_000,
  /** How often the catalogue is counted again. */
  catalogueMs: 24 * 3600_000,
} as const;
