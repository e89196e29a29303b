/** Limits of a custodian's office, and how long it waits. */
export const custodyLimits = {
  /** Grants it holds something for; past it deposits are refused. */
  grantsMax: 10_000,
  /** Envelopes of all of them, bytes. */
  envelopeBytesMax: 1024 * 1024 * 1024,
  /** Messages that wait for the post, and their bytes; past it reads are denied, and others wait with their senders. */
  outboxMax: 20_000,
  outboxBytesMax: 256 * 1024 * 1024,
  /** What could not be handed to the post for so long is given up. */
  sendWithinMs: 30 * 24 * 3600_000,
  /** Receivers that are sent to at one time. */
  lanesMax: 16,
  /** Sealed bytes and records in one page, and in one answer: a longer one ends early, and its receipt says where. */
  pageBytesMax: 128 * 1024,
  pageRowsMax: 1_024,
  readBytesMax: 8 * 1024 * 1024,
  /** Recording time that is asked of the shelf at once. */
  shelfSecondsMax: 7 * 24 * 3600,
  /** A request to read is this old at most, or this much ahead of the clock here. */
  requestAgeMsMax: 6 * 3600_000,
  requestAheadMsMax: 5 * 60_000,
  /** Requests to read that are remembered, so that each is answered once; those past their age are forgotten. */
  requestsMax: 100_000,
  /** Erased grants whose offers could still be deposited, remembered so that they are not; past it no deposit is taken. */
  erasedMax: 100_000,
  /** How long the ledger and the shelf may take to answer. */
  ledgerWithinMs: 20_000,
  shelfWithinMs: 60_000,
  /** Confirmations in one step on the ledger. */
  confirmCountMax: 50,
  /** How often it looks what is due, and how soon after something happened: what happens at once goes together. */
  tickMs: 15_000,
  lookAfterMs: 1_000,
  /** How long a step on the ledger may take, how long until it is tried again, and how often where the ledger refuses it. */
  stepWithinMs: 5 * 60_000,
  stepAgainMs: 10 * 60_000,
  stepTriesMax: 5,
  /** How long envelopes of grants that are over, and of offers that nobody took, are kept. */
  keepOverMs: 90 * 24 * 3600_000,
  keepUnboughtMs: 7 * 24 * 3600_000,
  /** How long the other custodians leave a step to those named before them. */
  takeoverMs: 3_600_000,
  /** How long a withdrawal is left to the patient's home before it is put on the ledger from here. */
  revokeAfterMs: 10 * 60_000,
  retryMsMin: 1_000,
  retryMsMax: 5 * 60_000,
  /** Strangers whose denied requests are counted at one time. */
  strangersMax: 4_096,
} as const;

/** Limits of what a custodian holds, which an operator or a test may lower. */
export type HoldingLimits = {
  readonly [Name in
    | 'grantsMax'
    | 'envelopeBytesMax'
    | 'outboxMax'
    | 'outboxBytesMax'
    | 'requestsMax'
    | 'erasedMax']: number;
};

/** What one grant, or one stranger, may cost. */
export interface CustodyQuotas {
  /** Reads and claims of one grant in an hour. */
  readonly readsPerHourMax: number;
  /** Sealed bytes of one grant in a day. */
  readonly bytesPerDayMax: number;
  /** Requests of one sender that are denied in an hour, each of them logged; what comes beyond is dropped and counted. */
  readonly deniedPerHourMax: number;
  /** Grants that one home deposits. */
  readonly grantsPerHomeMax: number;
}

export const defaultQuotas: CustodyQuotas = {
  readsPerHourMax: 600,
  bytesPerDayMax: 2 * 1024 * 1024 * 1024,
  deniedPerHourMax: 60,
  grantsPerHomeMax: 5_000,
};
