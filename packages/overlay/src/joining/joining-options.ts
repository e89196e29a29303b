import { messageLimits } from '../message.ts';

/** How joining behaves; {@link joiningDefaults} holds what each is when not given. */
export interface JoiningOptions {
  /** Queries sent out in one try, each on a way of its own. */
  readonly copies: number;
  /** Tries until a seek is given up. */
  readonly triesMax: number;
  /** How long a try waits for answers, milliseconds. */
  readonly tryMs: number;
  /** A search that is under way asks again when it is told to, so long after the last time at the earliest, milliseconds. */
  readonly againMs: number;
  /** How many searches' worth of queries one that is told to go on sends at most. */
  readonly roundsMax: number;
  /** Hops that a query may make; it starts with up to `hopsSpread` fewer, so that a first hop is not known by it. */
  readonly hopsMax: number;
  readonly hopsSpread: number;
  /**
   * Share of hops that go to anybody instead of the best. The specification's 0.1 finds less: one open copy 0.84 of topics instead
   * of 0.86, one with decoys 0.60 instead of 0.62 (1,000 peers, 8,000 queries).
   */
  readonly wanderShare: number;
  /** How long, and for how many queries, the way back is remembered. */
  readonly pathMs: number;
  readonly pathsMax: number;
  /** An answer, true or false, leaves after up to so long, milliseconds (0: at once): its time does not say how far it came. */
  readonly answerDelayMs: number;
  /** Answers that wait to leave, and of these for one neighbour. */
  readonly answersWaitingMax: number;
  readonly answersWaitingPerPeerMax: number;
  /**
   * Who hands on a private query waits for an answer to come back, so long for each hop the query had left, milliseconds; then it
   * gives its own.
   */
  readonly hopPatienceMs: number;
  /** Queries that are waited for; the first goes without an answer of ours. */
  readonly awaitedMax: number;
  /**
   * Queries of one asker (one nonce) that a member answers, and of these brought by one neighbour; further ones it hands on like
   * anybody. An honest asker makes six.
   */
  readonly answersPerNonceMax: number;
  readonly answersPerBringerMax: number;
  /** Nonces that are remembered for that. */
  readonly noncesMax: number;
  /** Neighbours that one query is handed to: when it comes round again another one, instead of its end. */
  readonly waysMax: number;
  /** Answers to one query that are handed back of each neighbour it was handed to: none crowds out those of another way. */
  readonly answersPerWayMax: number;
  /** Queries a minute to one neighbour, our own and forwarded ones counted apart; of one neighbour's, their sum is handed on. */
  readonly queriesPerMinute: number;
  /** Of those that are handed on so many a minute of one neighbour's to one other: nobody's junk takes all that the best one is given. */
  readonly queriesPerPairMinute: number;
  /**
   * Queries of our own a minute beyond that to a connected neighbour, where no other can be asked: two nodes that know nobody
   * else, or a hub and its clients, share many topics. They end there: it answers those it reads itself.
   */
  readonly queriesMorePerMinute: number;
  /** Neighbours whose queries are counted. */
  readonly peersMax: number;
  /** Topics sought at once. */
  readonly seeksMax: number;
}

/** What spec overlay §5 names. */
export const joiningDefaults: JoiningOptions = Object.freeze({
  copies: 3,
  triesMax: 2,
  tryMs: 5_000,
  againMs: 250,
  roundsMax: 4,
  hopsMax: messageLimits.joinHopsMax,
  hopsSpread: 1,
  wanderShare: 0.03,
  pathMs: 60_000,
  pathsMax: 10_000,
  answerDelayMs: 200,
  answersWaitingMax: 512,
  answersWaitingPerPeerMax: 128,
  hopPatienceMs: 500,
  awaitedMax: 1_024,
  answersPerNonceMax: 12,
  answersPerBringerMax: 3,
  noncesMax: 1_024,
  waysMax: 3,
  answersPerWayMax: 4,
  queriesPerMinute: 10,
  queriesPerPairMinute: 5,
  queriesMorePerMinute: 300,
  peersMax: 1_024,
  seeksMax: 256,
});
