/** Parameters and limits of rings; a table of spec overlay §6 where it has one. */
export const ringParameters = {
  /** Neighbours each side that events and gossip go to (r). */
  neighboursPerSide: 2,
  /** Members nearest to us that are remembered each side, so that a dead neighbour has a successor at once. */
  nearPerSide: 5,
  /** Members elsewhere on the ring. */
  shortcutsMax: 20,
  /** Gossip with the neighbour heard of longest ago while members have yet to prove themselves, milliseconds, give or take a fifth. */
  periodMs: 10_000,
  /**
   * The same in a ring in which nothing happens. Who is connected is known to live without being asked; another dead
   * neighbour is found out by the next event for it, or after some of these.
   */
  stillPeriodMs: 120_000,
  /** Rounds at the still pace begin on a multiple of this: a node of thousands of rings looks at all of them at once. */
  stillGridMs: 1_000,
  /** The same after something changed; doubles from round to round until it is one of the above. */
  fastPeriodMs: 1_000,
  /**
   * A neighbour is asked no more often than this for each topic that is read here, up to `periodMs`: rings that come about ask their
   * neighbours round by round, and who reads twenty topics has eighty of them, more than it has connections.
   */
  neighbourEveryMs: 250,
  /** A candidate that may be a neighbour is asked so soon, milliseconds; rounds are never closer. */
  urgentPeriodMs: 200,
  /** Candidates for a neighbour's place, and for others, asked in one round. */
  candidatesPerRoundMax: 4,
  othersPerRoundMax: 2,
  /** With so many others proven there is enough to choose from: the rest may take its time. */
  othersProvenEnough: 8,
  /** The same for who reads more than `fewTopicsMax` topics: as many as an event has random targets, in all of them at once. */
  othersProvenEnoughOfMany: 3,
  fewTopicsMax: 4,
  /**
   * Questions that need a dial, in all rings of who reads more than that; see `DialBudget`. Without it 200 nodes of 20 topics with 10
   * links made 1,442 dials a minute and node, seven of ten refused for want of room, and a quarter of their rings was right after
   * three minutes; with it 294, and all.
   */
  dials: { perMinute: 30, perTopicMinute: 1.5, oneTopicPerMinute: 15, dialMs: 5_000 },
  /**
   * In a topic that has brought nothing yet, members that are no neighbours are asked so often, so many each time and so many
   * times. Its neighbours may keep everything back, and who never was given anything does not miss it.
   */
  unfedPeriodMs: 5_000,
  unfedRoundsMax: 18,
  unfedAskedMax: 2,
  /** Then one that is no neighbour is asked every so many rounds. */
  otherEveryRounds: 3,
  /** Random shortcuts told in one message, beside the nearest. */
  randomsToldMax: 2,
  /** An answer is waited for so long, milliseconds; twice in vain, and the peer is lost. */
  answerMs: 5_000,
  missesMax: 2,
  /** One peer's questions are answered no more often, milliseconds. */
  answerEveryMs: 150,
  /** After so many exchanges a member is told all anew, should anything have been lost. */
  tellAnewEvery: 6,
  /** Peers per topic that proved themselves and are remembered as subscribers. */
  subscribersMax: 256,
  /** Those of them that are no members of our ring, and are not asked, are named so long after they were heard from, milliseconds. */
  subscribersNamedMs: 15 * 60_000,
  /** Peers per topic that are not taken on another's word for `avoidMs`. */
  avoidedMax: 256,
  avoidMs: 60_000,
  /** Lost members per topic that are asked again after `lostRetryMs`, doubling, `lostTriesMax` times. */
  lostMax: 16,
  lostRetryMs: 15_000,
  lostTriesMax: 6,
  /** The next epoch's ring is built so long before it begins, which is also how far clocks may differ, milliseconds. */
  epochLeadMs: 5 * 60_000,
  /** The last epoch's ring is let go when the new one has been still for `settledMs`, at the latest after this. */
  epochOverlapMs: 10 * 60_000,
  settledMs: 30_000,
  /** Routes of the last epoch are known so long, for events that are late, and for members whose clocks are. */
  routeOverlapMs: 15 * 60_000,
  /**
   * Routes of the next epoch are known so long before it begins: who is as far ahead as clocks may differ builds its next ring
   * when it has twice that to go here, and would take everybody for dead that does not answer.
   */
  routeLeadMs: 11 * 60_000,
  /** A ring whose neighbours are the same for so long is still: fewer copies of events do, milliseconds. */
  stillMs: 10_000,
  /** With at most so many other members known, and the ring still, an event goes to `fanOut.small`. */
  smallTopicMembersMax: 20,
  fanOut: { small: 2, normal: 3, urgent: 5 },
  /** With about so many members at most, and the ring still, every other event goes to `fanOut.small`, the rest to `normal`. */
  mediumTopicMembersMax: 150,
  /** Random targets are told of larger events, and ask for them; bytes. */
  eagerBytesMax: 4 * 1_024,
  /**
   * How often a random target is one that is connected already, where both kinds are there: while the ring is not still, or
   * events are kept from us, and otherwise. Each of the others costs a connection, and shows whether we know only liars.
   */
  connectedShare: 0.8,
  connectedShareCalm: 0.98,
} as const;

export type RingParameters = Numbers<typeof ringParameters>;

type Numbers<T> = { readonly [K in keyof T]: T[K] extends number ? number : Numbers<T[K]> };
