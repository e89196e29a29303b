/** Whether ciphertext goes through peers that are no members; both are off unless said. */
export interface CarryMode {
  /** Carry the events of others who ask. What a carrier sees: a route that changes daily, sizes, classes, times, who asked. */
  readonly offers?: boolean;
  /** Ask connected peers that are no members to carry our topics' events, and use them in place of new connections. */
  readonly asks?: boolean;
}

/** Limits of carrying. */
export const carryLimits = {
  /** Peers asked for one topic. */
  carriersMax: 64,
  /** Carriers that one event is given to. */
  carriersPerEvent: 4,
  /** A new connection is asked when it has lasted so long, milliseconds: many are opened for one message, and soon let go. */
  askAfterMs: 3_000,
  newcomersMax: 1_024,
  /** For how long is asked, and how often anew. */
  seconds: 600,
  askEveryMs: 240_000,
  /** Routes carried for others, who asked for one, and routes one peer may ask for. */
  routesMax: 4_096,
  askersPerRouteMax: 32,
  routesPerPeerMax: 256,
  /** Ids of carried events that are remembered. */
  idsMax: 20_000,
  /** What one peer may have carried within `windowMs`, bytes. */
  carriedBytesMax: 4 * 1024 * 1024,
  windowMs: 10_000,
} as const;
