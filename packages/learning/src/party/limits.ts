/** Limits of the parties of one agent; each is reached by a test. */
export interface PartyLimits {
  /** Of one message of a step; longer ones are refused on both sides. */
  readonly messageBytesMax: number;
  /** Of one piece on the post, the same for all: with its head it fills one of the sizes that sealed messages are padded to. */
  readonly pieceBytesMax: number;
  /** Messages of one sender that are kept, asked for or not, over all rounds that are not forgotten. */
  readonly messagesPerSenderMax: number;
  readonly bytesPerSenderMax: number;
  /** Who may have something kept here at one time. */
  readonly sendersMax: number;
  /** Taken for sending and not yet with the post. */
  readonly outboxBytesMax: number;
  /** Pieces that are handed to the post at one time. */
  readonly sendingMax: number;
  /** First and longest wait before post or board is tried again, milliseconds. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** How often an entry is offered to a board that does not answer; then the function fails, to be started again later. */
  readonly publishTriesMax: number;
  /** What was not handed over by then is not worth it, milliseconds. */
  readonly sendWithinMs: number;
  /** How often the board is asked while somebody waits for an entry, milliseconds. */
  readonly boardPollMs: number;
  /** Awaits of one round that are written down. */
  readonly journalEntriesMax: number;
  /** Rounds and runs whose end is remembered, so that what comes late is dropped; the oldest are let go of. */
  readonly tombstonesMax: number;
}

export const partyLimits: PartyLimits = {
  // A vector of four million words, which a row of the store takes sealed.
  messageBytesMax: 16_100_000,
  pieceBytesMax: 127 * 1024,
  messagesPerSenderMax: 64,
  bytesPerSenderMax: 64 * 1024 * 1024,
  sendersMax: 512,
  outboxBytesMax: 512 * 1024 * 1024,
  sendingMax: 4,
  retryMsMin: 1000,
  retryMsMax: 60_000,
  publishTriesMax: 30,
  sendWithinMs: 14 * 24 * 3600 * 1000,
  boardPollMs: 2000,
  journalEntriesMax: 20_000,
  tombstonesMax: 10_000,
};

/** Characters of a run's, a scope's or a step's name. */
export const nameLengthMax = 64;
