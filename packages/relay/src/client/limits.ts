/** Limits of one relay client. */
export interface RelayClientLimits {
  /** Messages that wait for a relay; then `send` throws {@link OutboxFullError}. */
  readonly outboxCountMax: number;
  readonly outboxBytesMax: number;
  /** On the way to one relay, not answered; the rest waits here. */
  readonly inFlightBytesMax: number;
  /** Delivered by one relay and not acknowledged. */
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** Calls of the handler for one message; then it stays at the relay until the next session. */
  readonly handlerAttemptsMax: number;
  /** First and longest wait before something is tried again, milliseconds; doubled in between. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** How long after one relay's `delivered` receipt the others' are missed, milliseconds. */
  readonly receiptGraceMs: number;
  /** Sent messages whose receipts are watched; the oldest are let go of. */
  readonly watchedReceiptsMax: number;
  /** Messages of strangers that are left at the relay, as long as a session lasts, and their bytes; what comes then is dropped. */
  readonly strangersCountMax: number;
  readonly strangersBytesMax: number;
  /** Of one of them. */
  readonly strangersPerSenderMax: number;
  /** Longest wait for the answer of a request, milliseconds. */
  readonly requestMs: number;
}

export const relayClientLimits: RelayClientLimits = {
  outboxCountMax: 10_000,
  outboxBytesMax: 64 * 1024 * 1024,
  inFlightBytesMax: 1024 * 1024,
  windowMessages: 256,
  windowBytes: 4 * 1024 * 1024,
  handlerAttemptsMax: 5,
  retryMsMin: 500,
  retryMsMax: 30_000,
  receiptGraceMs: 60_000,
  watchedReceiptsMax: 10_000,
  strangersCountMax: 32,
  strangersBytesMax: 1024 * 1024,
  strangersPerSenderMax: 8,
  requestMs: 30_000,
};
