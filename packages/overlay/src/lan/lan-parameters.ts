/** The group and port of announcements (spec overlay §11): organisation-local on IPv4, link-local on IPv6. */
export const lanGroup = { ip4: '239.192.85.80', ip6: 'ff02::5550', port: 28_655 } as const;

/** When hellos are said and peers are held for lost, milliseconds. */
export const lanPeriods = {
  /** Between two hellos, give or take the jitter. */
  helloMs: 30_000,
  jitterMs: 10_000,
  /** So many hellos at the beginning, one in each span. */
  firstHellos: 3,
  firstSpanMs: 1_000,
  /** A new peer's hello is answered within. */
  answerMs: 1_000,
  /** With more peers the period grows in proportion, so that all together say no more. */
  siteSize: 200,
  /** A peer is lost when so many of the longest periods went by without a hello of it. */
  lostPeriods: 3,
  /** The pseudonymous key changes with the day. */
  keyMs: 24 * 3_600_000,
  /** Of two that announce, the one with the greater key leaves dialling to the other for so long. */
  yieldMs: 3_000,
  /** Before a peer that could not be dialled is tried again; twice as long after each failure. */
  retryMs: 10_000,
  retryMsMax: 600_000,
} as const;

/** Limits of what the local network may make a node do or remember. */
export const lanLimits = {
  helloBytesMax: 200,
  /** A hello says at most so far ahead until when it holds, seconds. */
  lifetimeSecondsMax: 24 * 3_600,
  /** How far another's clock may be behind ours, seconds. */
  clockSkewSecondsMax: 300,
  /** Peers of one network. */
  peersMax: 1_024,
  /** Of them behind one address: processes of one machine. */
  peersPerAddressMax: 16,
  /** Hellos looked at from one address in a minute, and at once. */
  hellosPerAddressPerMinute: 120,
  addressesCountedMax: 1_024,
  /** Signatures checked in a minute, and at once, whoever sent them. */
  checksPerMinute: 3_000,
  /** Answers that wait to be sent; a new peer past them hears the next hello. */
  answersWaitingMax: 64,
  /** Dials in a minute, and at once. */
  dialsPerMinute: 120,
  /** Networks (interfaces) that are listened to; the rest are left alone. */
  networksMax: 16,
} as const;
