const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Limits and periods of native TLS. */
export const tlsLimits = {
  /** The largest certificate looked at; one with an RSA-4096 key and identity is under 3 KiB. */
  certificateBytesMax: 8 * 1024,
  /** Peers' certificates whose verification is remembered; the one asked for longest ago goes first. */
  verifiedMax: 4_096,
  /** Peers whose last session is kept for resumption, and the largest session that is. */
  sessionsMax: 1_024,
  sessionBytesMax: 4 * 1024,
  /** A session is resumed for so long after its full handshake, at either end. */
  sessionMs: 2 * hourMs,
  /** Our certificate counts from so long before it was made, for peers whose clocks are behind … */
  certificateBeforeMs: 365 * dayMs,
  /** … and for so long after, for those whose clocks are ahead. */
  certificateMs: 365 * dayMs,
  /** A new one is made when the present one is this old. */
  certificateRenewMs: 30 * dayMs,
} as const;
