/** How clustering behaves; {@link clusteringDefaults} holds what each is when not given. */
export interface ClusteringOptions {
  /** Places for the most similar peers (S). */
  readonly nearMax: number;
  /** Places for the most dissimilar (fingers, G). */
  readonly farMax: number;
  /** Descriptors in an answer. */
  readonly answerMax: number;
  /** Time between rounds and how far it varies, 0 … 1. */
  readonly roundMs: number;
  readonly roundJitter: number;
  /** While the similar peers are as similar as before, that time doubles from round to round up to this. */
  readonly stillRoundMs: number;
  /** Time between the first so many rounds: from strangers to the most similar peers it takes about twenty. */
  readonly fastRoundMs: number;
  readonly fastRounds: number;
  /** Time between the very first so many: a join query finds its way by the filters that they bring. */
  readonly firstRoundMs: number;
  readonly firstRounds: number;
  /** The similar peers being as similar in so many rounds in sequence, no more rounds are made in haste. */
  readonly sameRoundsMax: number;
  /** Each so many rounds a random peer is asked instead of the one heard of longest ago. */
  readonly randomEvery: number;
  /** An answer is waited for so long; then the peer is left out for `silentMs` unless it is heard from. */
  readonly answerTimeoutMs: number;
  readonly silentMs: number;
  /** A finger is chosen among peers heard from within so long. */
  readonly recentMs: number;
  /** A finger is one of this share of the known peers, the least similar ones. */
  readonly farShare: number;
  /** Weight of trust against similarity (ω). */
  readonly trustWeight: number;
  /** The trust a stranger counts with. */
  readonly strangerTrust: number;
  /** Filters remembered. */
  readonly filtersMax: number;
  /** Peers remembered in each table of what happened with them. */
  readonly peersMax: number;
  /** Descriptors that wait for their filters. */
  readonly waitingMax: number;
  /** Questions of ours that are open at once, of each kind. */
  readonly questionsMax: number;
  /** Peers of the samplers' views asked for their filters in a round. */
  readonly filtersAskedPerRound: number;
  /** Questions of each kind that one peer may ask in a minute. */
  readonly questionsPerMinute: number;
}

/** What spec overlay §5 names; limits of tables are ours. */
export const clusteringDefaults: ClusteringOptions = Object.freeze({
  nearMax: 20,
  farMax: 5,
  answerMax: 10,
  roundMs: 15_000,
  stillRoundMs: 60_000,
  roundJitter: 0.2,
  fastRoundMs: 2_000,
  fastRounds: 20,
  firstRoundMs: 500,
  firstRounds: 6,
  sameRoundsMax: 4,
  randomEvery: 3,
  answerTimeoutMs: 5_000,
  silentMs: 120_000,
  recentMs: 600_000,
  farShare: 0.2,
  trustWeight: 0.3,
  strangerTrust: 0.1,
  filtersMax: 256,
  peersMax: 256,
  waitingMax: 64,
  questionsMax: 32,
  filtersAskedPerRound: 2,
  questionsPerMinute: 40,
});
