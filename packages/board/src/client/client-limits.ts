/** Limits of a client of a board. */
export const clientLimits = {
  followMs: 5_000,
  /** How long `publish` tries, milliseconds. */
  publishMs: 60_000,
  pollFirstMs: 100,
  pollLastMs: 2_000,
  /** Entries on their way at one time, over restarts. */
  outgoingMax: 1_024,
  /** A checkpoint ahead of the board, shown by others for so long, is told to the operator. */
  behindMs: 600_000,
} as const;
