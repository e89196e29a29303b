/** Limits of what an office keeps and does at one time. */
export const deskLimits = {
  /** Messages and notices that wait for the post; past it nothing that would send more is done. */
  outboxMax: 20_000,
  /** Bytes of them. */
  outboxBytesMax: 128 * 1024 * 1024,
  /** What could not be handed to the post for so long is given up. */
  sendWithinMs: 30 * 24 * 3600_000,
  /** Receivers that are sent to at one time. */
  lanesMax: 16,
  /** Errands at work at one time, and waiting. */
  errandsAtOnceMax: 8,
  errandsMax: 20_000,
  retryMsMin: 1_000,
  retryMsMax: 5 * 60_000,
} as const;
