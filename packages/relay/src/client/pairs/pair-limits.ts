const dayMs = 86_400_000;

/** When two agents use a pair session, and what is kept for it. */
export interface PairUseLimits {
  /** A session begins when somebody wrote this many messages within the time, milliseconds. */
  readonly talkCountMin: number;
  readonly talkWithinMs: number;
  /** Writers whose messages are counted; the one that wrote least lately is forgotten. */
  readonly talkersMax: number;
  /** How long nothing else is offered to somebody who was offered a session, milliseconds. */
  readonly offerAgainMs: number;
  /** Sessions kept, of one peer and of all; past it the oldest go. */
  readonly sessionsPerPeerMax: number;
  readonly sessionsMax: number;
  /** How long a session is written in, milliseconds, and how many batches. Past either: envelopes, until there is a new one. */
  readonly writeMsMax: number;
  readonly writeCountMax: number;
  /** A new session is offered to who writes in one older than this, milliseconds. */
  readonly renewMs: number;
  /** How long a session is kept for reading: longer than it is written in and a relay keeps a message, milliseconds. */
  readonly readMsMax: number;
  /** Age past which the beginning of a session is refused, and how far ahead of our clock it may be, milliseconds. */
  readonly handshakeMsMax: number;
  readonly skewMs: number;
  /** Messages kept until they are delivered; past either limit messages go in envelopes, which need not be kept. */
  readonly keptCountMax: number;
  readonly keptBytesMax: number;
  /** Longest message that is sealed in a session, bytes: a frame is a little longer than an envelope. */
  readonly messageBytesMax: number;
  /** What was read is forgotten on the disk within this time, milliseconds, or after so many batches. */
  readonly saveEveryMs: number;
  readonly saveEveryCount: number;
  /** Losses that were told and are remembered, by session and relay; past it the oldest are told again. */
  readonly toldMax: number;
  /** Losses told to one peer within the time, milliseconds; what does not open then waits as strangers' messages do. */
  readonly toldPerPeerMax: number;
  readonly toldWithinMs: number;
}

export const pairUseLimits: PairUseLimits = {
  talkCountMin: 3,
  talkWithinMs: 600_000,
  talkersMax: 1024,
  offerAgainMs: 600_000,
  sessionsPerPeerMax: 8,
  sessionsMax: 2048,
  writeMsMax: 7 * dayMs,
  writeCountMax: 10_000,
  renewMs: 6 * dayMs,
  readMsMax: 22 * dayMs,
  handshakeMsMax: 15 * dayMs,
  skewMs: 600_000,
  keptCountMax: 4096,
  keptBytesMax: 16 * 1024 * 1024,
  messageBytesMax: 512 * 1024 - 64,
  saveEveryMs: 5_000,
  saveEveryCount: 64,
  toldMax: 1024,
  toldPerPeerMax: 32,
  toldWithinMs: 600_000,
};
