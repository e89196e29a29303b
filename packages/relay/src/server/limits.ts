/** Limits of one relay process. Those of what it stores are the engine's. */
export interface RelayLimits {
  /** Messages an agent may send in a second (a broadcast counts once for each target), and saved up; then `too-fast`. */
  readonly messagesPerSecondMax: number;
  readonly messagesBurstMax: number;
  /** Bytes of envelopes likewise. */
  readonly bytesPerSecondMax: number;
  readonly bytesBurstMax: number;
  /** Sessions of one agent; past it the oldest is ended with `replaced`. */
  readonly sessionsPerAgentMax: number;
  /**
   * How long a session without a carrier waits for its agent once that has logged in anew, milliseconds; then it ends with `left`. An agent
   * that was killed and started again logs in; one that only lost its way resumes.
   */
  readonly leftSessionMs: number;
  /** Sessions of those who showed nothing that admits them; past it the oldest is ended with `too-many-guests`. */
  readonly guestSessionsMax: number;
  /** Handed over for storing and not durable yet, whole relay; then `busy`. */
  readonly storingBytesMax: number;
  /** Batches that the engine works on at once; what comes meanwhile makes the next one larger. */
  readonly storingBatchesMax: number;
  /** `mailbox.receive` streams of one session; then the stream is reset with `too-many`. */
  readonly readersPerSessionMax: number;
  /** How often a reader looks although nothing woke it, milliseconds: wake-ups between relays can get lost. */
  readonly lookEveryMs: number;
  /** How often a slice of what expired is cleared away, milliseconds. */
  readonly sweepEveryMs: number;
  /** How long an agent owns its address after it last logged in, milliseconds. */
  readonly addressClaimMs: number;
  /** The longest claim of another inbox, milliseconds. */
  readonly claimMsMax: number;
  /** Streams that one agent opened to others; then `peer-busy`. Those opened to it are bounded by its sessions' `streamsMax`. */
  readonly peerStreamsPerAgentMax: number;
  /** Bytes that wait for a subscriber of topics that does not read; what comes then is dropped for it. */
  readonly topicBufferBytesMax: number;
}

const dayMs = 86_400_000;

export const relayLimits: RelayLimits = {
  messagesPerSecondMax: 5_000,
  messagesBurstMax: 20_000,
  bytesPerSecondMax: 16 * 1024 * 1024,
  bytesBurstMax: 64 * 1024 * 1024,
  sessionsPerAgentMax: 8,
  leftSessionMs: 3_000,
  guestSessionsMax: 1_000,
  storingBytesMax: 64 * 1024 * 1024,
  storingBatchesMax: 4,
  readersPerSessionMax: 4,
  lookEveryMs: 15_000,
  sweepEveryMs: 5_000,
  addressClaimMs: 90 * dayMs,
  claimMsMax: 120 * dayMs,
  peerStreamsPerAgentMax: 128,
  topicBufferBytesMax: 256 * 1024,
};
