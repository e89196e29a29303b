import { assert } from '@pulsemesh/base';
import { messageLimits } from '../message.ts';

/** How peer sampling behaves; {@link peerSamplingDefaults} holds what each is when not given. */
export interface PeerSamplingOptions {
  /** Peers in the view (L). */
  readonly viewSize: number;
  /** Descriptors in one answer (X), 1 … 10: of the view no more is shown at once. */
  readonly answerSize: number;
  /** Peers asked in a round (P). */
  readonly pullsPerRound: number;
  /** Share of the view that comes from introductions (α), from answers (β); the rest from history. */
  readonly introducedShare: number;
  readonly pulledShare: number;
  /** Slots of the history (C). */
  readonly historySlots: number;
  /** Different ids counted one by one; beyond, a sketch estimates. */
  readonly exactIdsMax: number;
  /** Time between rounds and how far it varies, 0 … 1. */
  readonly roundMs: number;
  readonly roundJitter: number;
  /** After so many rounds in which nobody was found dead the time between them doubles from round to round, up to this. */
  readonly stillRoundMs: number;
  readonly stillAfterRounds: number;
  /** Time between rounds while the view is less than half full, for so many rounds at a stretch. */
  readonly fastRoundMs: number;
  readonly fastRoundsMax: number;
  /** An answer to a pull or a probe is waited for so long. */
  readonly answerTimeoutMs: number;
  /** Slots of the history whose peers are looked at in a round, and probed if nothing showed for so long that they live. */
  readonly probesPerRound: number;
  readonly aliveMs: number;
  /** How long a peer that did not live is not taken again. */
  readonly deadMs: number;
  /** More introductions in a round, and none of them is taken. */
  readonly introductionsMax: number;
  /** Introductions a round out of one /24 or /48; further ones are left out. */
  readonly introductionsPerSubnetMax: number;
  /** Introductions a round of peers that name no IP: clients and DNS names. */
  readonly introductionsWithoutSubnetMax: number;
  /** A peer may introduce itself once in so long. */
  readonly introductionEveryMs: number;
  /** Answers and probe replies given in a round, to all and to one peer. */
  readonly answersMax: number;
  readonly answersPerPeerMax: number;
  /** Weight of a peer that is not trusted at all, of one fully trusted being 1 (ρ). */
  readonly strangerWeight: number;
}

/** What spec overlay §2.1 names. */
export const peerSamplingDefaults: PeerSamplingOptions = Object.freeze({
  viewSize: 20,
  answerSize: messageLimits.descriptorsMax,
  pullsPerRound: 4,
  introducedShare: 0.1,
  pulledShare: 0.4,
  historySlots: 40,
  exactIdsMax: 4_096,
  roundMs: 10_000,
  roundJitter: 0.2,
  stillRoundMs: 60_000,
  stillAfterRounds: 30,
  fastRoundMs: 1_000,
  fastRoundsMax: 30,
  answerTimeoutMs: 5_000,
  probesPerRound: 2,
  aliveMs: 120_000,
  deadMs: 600_000,
  introductionsMax: 12,
  introductionsPerSubnetMax: 2,
  introductionsWithoutSubnetMax: 6,
  introductionEveryMs: 60_000,
  answersMax: 1_000,
  answersPerPeerMax: 16,
  strangerWeight: 0.5,
});

/** Limits that nobody has a reason to change. */
export const peerSamplingLimits = {
  seedsMax: 64,
  /**
   * Each time that so many rounds take at the usual pace one of the seeds is asked, also where rounds are seldom: who is surrounded
   * by liars hears nothing new from them. In the first rounds more often: liars who flood a network that comes up surround a tenth
   * of it (of 1,000 peers, 30 % of them liars, 64 … 76 after 200 s with one pace, 28 … 38 with this).
   */
  seedEveryRounds: 8,
  seedEveryRoundsFirst: 2,
  seedFirstRounds: 30,
  /** Descriptors of friends that are kept although no view holds them. */
  friendsMax: 64,
  deadMax: 1_024,
  connectedMax: 4_096,
  /** Questions without an answer yet, pulls and probes each. */
  openMax: 64,
  /** Rounds at the pace of the beginning when a peer connects while the view is short. */
  fastRoundsAgain: 5,
  /** After so many answered rounds in haste that bring nobody new the time to the next one doubles each time. */
  vainRoundsMax: 3,
  /** Unanswered pulls after which a peer leaves the view, and probes after which it is held for dead. */
  triesMax: 2,
  /** Ids after which counts are halved: so many times the view, and so many times the known ids. */
  halveAfterViews: 64,
  halveAfterPerId: 16,
  /** A peer named twice as often is taken 2^1.5 times as seldom. */
  frequencyExponent: 1.5,
} as const;

/** The options in full. Throws where they make no sense. */
export function completeOptions(options: Partial<PeerSamplingOptions>): PeerSamplingOptions {
  const all = { ...peerSamplingDefaults, ...options };
  assert(all.answerSize >= 1 && all.answerSize <= messageLimits.descriptorsMax, 'an answer holds 1 … 10 descriptors');
  assert(all.viewSize >= 1 && all.pullsPerRound >= 1 && all.historySlots >= 1, 'a view needs places and questions');
  assert(all.introducedShare + all.pulledShare <= 1, 'shares of the view add up to at most 1');
  return all;
}
