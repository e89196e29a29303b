import type { PeerId } from '@pulsemesh/wire';
import { carriesOthers } from './doubles.ts';
import type { PeerLink } from './peer-link.ts';

export const unneededLimits = {
  /** A link that this service opened and used more recently is not closed, whatever the budget. */
  idleMsMin: 5_000,
  /** A link that this service opened and nobody wanted or used for so long is closed, also where there is room for it. */
  unwantedMs: 120_000,
  /** What peers open is let stand up to this share above the budget. */
  inboundShare: 0.5,
  /** Below the most connections that libp2p lets stand this share is kept free, so that nobody who dials is turned away. */
  roomShare: 1 / 12,
  /** A link that is younger stays, whoever opened it: what it was opened for is on its way. */
  youngMs: 1_000,
} as const;

/** Connections that there may be under a budget, those that peers opened among them. */
export function inboundMost(linksMax: number): number {
  return Math.ceil(linksMax * (1 + unneededLimits.inboundShare));
}

/** Connections that are left to those who dial, where libp2p lets no more than `most` stand. */
export function roomBelow(most: number): number {
  return Math.ceil(most * unneededLimits.roomShare);
}

/** Links that may go, those to begin with first. */
export interface Unneeded {
  /** Opened by this service; `surplus` of them are too many. */
  readonly ours: readonly PeerLink[];
  readonly surplus: number;
  /** Opened by anybody: what goes where even so there are too many. */
  readonly anyone: readonly PeerLink[];
  /** Opened by this service and of no use for long. */
  readonly useless: readonly PeerLink[];
}

/**
 * Of connected links, which may be closed. Never one that is wanted (a neighbour in a ring first of all), nor one over which
 * another protocol runs. A peer's own link may go in the midst of its talk, or who talks all the time could not be kept out;
 * whoever was heard from least recently goes first, so that who comes new has its turn.
 */
export function unneededOf(
  connected: readonly PeerLink[],
  by: {
    readonly wanted: ReadonlySet<PeerId>;
    readonly linksMax: number;
    readonly protocol: string;
    readonly nowMs: number;
  },
): Unneeded {
  const { wanted, linksMax, protocol, nowMs } = by;
  const free = connected
    .filter(({ peer, connection }) => connection && !wanted.has(peer) && !carriesOthers(connection, [protocol]))
    .sort((one, other) => one.lastUsedMs - other.lastUsedMs);
  const isOurs = ({ connection, dialled }: PeerLink) => connection === dialled;
  const idle = free.filter(
    (link) => isOurs(link) && link.isIdle && nowMs - link.lastUsedMs >= unneededLimits.idleMsMin,
  );
  const isUseless = ({ lastUsedMs, lastWantedMs }: PeerLink) =>
    nowMs - Math.max(lastUsedMs, lastWantedMs) >= unneededLimits.unwantedMs;
  return {
    ours: idle,
    surplus: connected.length - linksMax,
    anyone: free.filter((link) => !isOurs(link) || (link.isIdle && nowMs - link.sinceMs >= unneededLimits.youngMs)),
    useless: idle.filter(isUseless),
  };
}
