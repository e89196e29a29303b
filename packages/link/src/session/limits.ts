import type { SessionLimits } from '../session-ends.ts';
import { wireLimits } from '../wire/limits.ts';

/**
 * Defaults of {@link SessionLimits}. What happens at each: `sessionsMax`: a hello is refused as `busy`; `pendingMax`: the oldest
 * session that waits for its login makes room, or, where all are being judged, the hello is refused; `pendingMs`: the session without an
 * accepted login is forgotten; `graceMs`: the session without a carrier is lost; `streamsMax`: `open` throws here,
 * the other end's is reset; `packetBytesMax`: the packet is dropped; `unackedBytesMax`: `write` says false; `earlyBytesMax`: what is
 * early is dropped and comes again; `messageBytesMax`: `write` throws here, the other end's stream is reset;
 * `streamCreditBytes`: the other end's stream is reset; `carriersPerSessionMax`: here `attach` is refused, at the server the
 * oldest that is not active is closed.
 */
export const sessionLimits: SessionLimits = {
  sessionsMax: 20_000,
  pendingMax: 1_000,
  pendingMs: 15_000,
  graceMs: 120_000,
  streamsMax: 256,
  packetBytesMax: wireLimits.packetBytesMax,
  unackedBytesMax: 2 * 1024 * 1024,
  earlyBytesMax: 2 * 1024 * 1024,
  messageBytesMax: 4 * 1024 * 1024,
  streamCreditBytes: 256 * 1024,
  carriersPerSessionMax: 8,
};

/** Constants of the session that nobody needs to change. */
export const sessionConstants = {
  /** What a Data or a queued item costs besides its payload, in credit and in every buffer. */
  itemCostBytes: 64,
  /** A batch is cut here even where the carrier moves more: past it a packet's fixed cost no longer matters. */
  batchBytesMax: 60 * 1024,
  /** Credit goes back in portions of at least this. */
  creditPortionBytes: 64 * 1024,
  /** Acknowledge at once when so much was received. */
  ackBytes: 64 * 1024,
  /** Otherwise within this; the protocol allows 25. */
  ackMs: 20,
  resendMsMin: 1_000,
  resendMsMax: 30_000,
  /** What is sent in answer (resets, credit) may go past `unackedBytesMax` by this; then the other end is not reading, and the session ends. */
  controlBytesMax: 1024 * 1024,
  /** Waiting on one stream because its user does not wait for room: then `write` throws. */
  streamBufferBytesMax: 8 * 1024 * 1024,
  /** Parts of incomplete messages, and messages of several parts that wait for their readers, of all streams of a session. */
  assemblyBytesMax: 32 * 1024 * 1024,
  /** Received early before the login is accepted: whoever can reach the port can send so much. */
  pendingEarlyBytesMax: 64 * 1024,
  /** How long a session that ended here waits for its goodbye to arrive. */
  lingerMs: 1_000,
  /** A hello or an insistent ping is repeated after this, doubling up to the second. */
  greetMsMin: 1_000,
  greetMsMax: 8_000,
  /** The agent lets the server hear from it at least this often. */
  keepAliveMs: 60_000,
  /** A session that the server has not heard for this long loses its carriers. */
  silentMs: 180_000,
  /** Of a file drop, whose packets travel by hand: how long it may be silent, or a login be on its way. */
  dropSilentMs: 14 * 24 * 3600 * 1000,
  /** The round trip that is assumed of a file drop until one was measured. */
  dropRttMs: 15 * 60 * 1000,
  /** Its hello is repeated at least this often. */
  dropGreetMsMax: 24 * 3600 * 1000,
  /** How long an agent waits, after a refusal that anybody could have forged, for a sign of life. */
  refusalMsMin: 100,
  refusalMsMax: 1_000,
  pingsMax: 32,
  certificatesKnownMax: 4,
} as const;
