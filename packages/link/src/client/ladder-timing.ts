import type { TransportName } from '../carrier.ts';

/** When each transport joins a race, milliseconds after its start: those that pass least often do not wait for each other. */
export const raceDelayMs: Readonly<Record<TransportName, number>> = {
  grpc: 0,
  websocket: 0,
  'long-poll': 50,
  stream: 100,
  sse: 200,
  'websocket-h2': 250,
  'short-poll': 400,
  drop: 0,
};

/** What worked here last time starts alone; the others follow this much later, milliseconds. */
export const rememberedLeadMs = 150;
/** A transport that just failed joins the next race this much later, milliseconds. */
export const recentFailureDelayMs = 1_000;
/** How long an attempt may take until data made a round trip, milliseconds. */
export const attemptMsMax = 10_000;
/** After a failure, how long until a better transport is tried again in the background, milliseconds. */
export const retryAfterMs = [1_000, 5_000, 30_000, 300_000] as const;
/** After a round in which nothing came through, milliseconds: at first, and at most. */
export const roundPauseMsFirst = 250;
export const roundPauseMsMax = 30_000;
/** The carrier that was left stays this long for what is under way on it, milliseconds. */
export const lingerMs = 1_000;
/** In use for less than this, milliseconds, a carrier that breaks counts as failed; also the shortest lifetime worth planning with. */
export const soundMs = 5_000;
/** How often the active carrier is probed when nothing is heard, milliseconds. */
export const heartbeatMsStart = 25_000;
export const heartbeatMsMin = 2_000;
/** The same while something is not acknowledged. */
export const heartbeatMsBusy = 1_000;
/** How often the round trip of an active carrier with traffic is measured anew. */
export const measureMs = 10_000;
/** A probe of the active carrier that takes longer than this, or 8 round trips, is a stall, milliseconds. */
export const stallMsMin = 3_000;
/** A probe of one that wants to take over: this, or 4 round trips, milliseconds. */
export const checkMsMin = 1_000;
/** Two lives that ended at ages this close (a tenth, or milliseconds) were ended by a rule. */
export const sameAgeMs = 250;
/** A carrier with a known lifetime is replaced at this share of it. */
export const replaceAtShare = 0.8;
/** Ages remembered for each transport. */
export const agesMax = 4;
