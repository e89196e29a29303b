/** Limits of one link server. Each can be lowered or raised by `limits` of {@link startLinkServer}. */
export interface LinkServerLimits {
  /** Open TCP connections; past it a new one is refused. */
  readonly connectionsMax: number;
  /** The same from one address (IPv6: one /64). Trusted proxies are exempt: for those `carriersPerAddressMax` holds. */
  readonly connectionsPerAddressMax: number;
  /** New connections of one address a second, on average; past `connectionsPerAddressBurst` at once they are refused. */
  readonly connectionsPerAddressPerSecond: number;
  readonly connectionsPerAddressBurst: number;
  /** New connections of everybody a second, and at once: handshakes cost the server about 2 ms each. */
  readonly connectionsPerSecond: number;
  readonly connectionsBurst: number;
  /** Carriers alive; past it 503 `busy`. */
  readonly carriersMax: number;
  /** Carriers of one client address, also behind a trusted proxy; past it 429. */
  readonly carriersPerAddressMax: number;
  /** TLS handshake, HTTP/1 request head, HTTP/2 preface and settings: each must be there within this time. */
  readonly headersMs: number;
  /** A whole request with its body; past it 408. */
  readonly requestMs: number;
  /** How often slow HTTP/1 connections are looked for. */
  readonly connectionsCheckMs: number;
  /** A connection without a request under way is closed after this time. */
  readonly keepAliveMs: number;
  /** Bytes of a request head (HTTP/1) or header list (HTTP/2); past it 431. */
  readonly headBytesMax: number;
  /** Header fields of a request; past it 431. */
  readonly headersMax: number;
  /** Streams open at once on one HTTP/2 connection. */
  readonly h2StreamsMax: number;
  /** Streams a client may reset: at once, and each second; past it the connection ends (CVE-2023-44487). */
  readonly h2ResetsBurst: number;
  readonly h2ResetsPerSecond: number;
  /** The longest packet taken or given; past it the carrier ends. */
  readonly packetBytesMax: number;
  /** Body of a poll or of `/link/v1/send`; past it 413. */
  readonly bodyBytesMax: number;
  /** Body for the HTTP handlers; past it 413. */
  readonly httpBodyBytesMax: number;
  /** Bodies of `/link/v1/probe/body`; past it 413. */
  readonly probeBodyBytesMax: number;
  /** Requests of the HTTP handlers under way; past it 503 `busy`. */
  readonly httpActiveMax: number;
  /** Bytes a carrier holds for a reader that does not read; past it `isWritable` is false until they are read. */
  readonly bufferedBytesMax: number;
  /** A reader that did not take what waits for it within this time loses its carrier. */
  readonly stalledMs: number;
  /** A carrier over which nothing came within this time of its start is closed. */
  readonly firstPacketMs: number;
  /** A stream or poll carrier nobody asks for is over after this time. */
  readonly carrierIdleMs: number;
  /** The longest wait of a poll. */
  readonly pollWaitMsMax: number;
  /** How long a short poll is held: what it brings is answered, and what waits is batched, within a few turns of the event loop. */
  readonly shortPollHoldMs: number;
  /** Bytes given to a carrier before `start` was called; further packets are lost. */
  readonly earlyBytesMax: number;
  /** Probes that wait or drip, under way. */
  readonly probesMax: number;
  /** How often the certificate is looked at for a new one, where `tls` is a function. */
  readonly certificateCheckMs: number;
}

export const linkServerLimits: LinkServerLimits = {
  connectionsMax: 20_000,
  connectionsPerAddressMax: 4_000,
  connectionsPerAddressPerSecond: 200,
  connectionsPerAddressBurst: 2_000,
  connectionsPerSecond: 500,
  connectionsBurst: 5_000,
  carriersMax: 20_000,
  carriersPerAddressMax: 8_000,
  headersMs: 4_000,
  requestMs: 30_000,
  connectionsCheckMs: 500,
  keepAliveMs: 65_000,
  headBytesMax: 16 * 1024,
  headersMax: 64,
  h2StreamsMax: 128,
  h2ResetsBurst: 200,
  h2ResetsPerSecond: 50,
  packetBytesMax: 256 * 1024,
  bodyBytesMax: 1024 * 1024,
  httpBodyBytesMax: 1024 * 1024,
  probeBodyBytesMax: 4 * 1024 * 1024,
  httpActiveMax: 512,
  bufferedBytesMax: 512 * 1024,
  stalledMs: 60_000,
  firstPacketMs: 8_000,
  carrierIdleMs: 30_000,
  pollWaitMsMax: 55_000,
  shortPollHoldMs: 10,
  earlyBytesMax: 1024 * 1024,
  probesMax: 256,
  certificateCheckMs: 60_000,
};
