import { assert } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { encodeCbor, type PeerId } from '@pulsemesh/wire';

/** What all parties of one attempt of one sum agree on. Another value anywhere is another sum, whose messages fit nowhere else. */
export interface SumSettings {
  /** The task's entry. */
  readonly task: string;
  /** From 1. */
  readonly round: number;
  /** From 1; a failed attempt is over, the next one has fresh keys. */
  readonly attempt: number;
  /** Who is asked, in the order of the round's `opened` entry; none twice. Messages name a site by its place here. */
  readonly sites: readonly PeerId[];
  /** Values in each vector. */
  readonly vectorLength: number;
  /** Each site masks with all others, or with this many (even) neighbours: SecAgg+. */
  readonly neighbours: number | 'all';
  /** How many of a site and its neighbours must reveal for its masks to come off; more than half of them. */
  readonly threshold: number;
  /** Fewer vectors than this are never opened; at least 2, since the sum of one is that one. */
  readonly survivorsMin: number;
}

/** Limits of a sum with an aggregator. */
export const secureSumLimits = {
  /** With two sites each would learn the other's vector from the sum. */
  sitesMin: 3,
  sitesMax: 1024,
  /** Shares of one secret: GF(256) has no more places. */
  holdersMax: 255,
  vectorLengthMax: 4_000_000,
} as const;

/** Full graph up to here; beyond, a choice by how many may be gone. */
const fullGraphSitesMax = 32;

/**
 * Neighbours and threshold for so many sites of which at most this share (default 0.1, at most 0.3) may be gone. Up to 32 sites: all, and
 * two thirds. Beyond: 20 neighbours and two thirds of a site and these; where more than a tenth may be gone, 40 and more than
 * half, since of two thirds too few are left around somebody (100 sites, 300 graphs: with 20 neighbours and two thirds 46 % of
 * attempts fail when a fifth is gone, and all when three tenths are; with 40 and half 1 %).
 */
export function customarySumGraph(
  sites: number,
  { goneShareMax = 0.1 }: { readonly goneShareMax?: number } = {},
): { readonly neighbours: number | 'all'; readonly threshold: number } {
  if (sites <= fullGraphSitesMax) return { neighbours: 'all', threshold: Math.max(2, Math.ceil((sites * 2) / 3)) };
  if (goneShareMax <= 0.1) return { neighbours: 20, threshold: 14 };
  return sites <= 41 ? { neighbours: 'all', threshold: Math.floor(sites / 2) + 1 } : { neighbours: 40, threshold: 21 };
}

/** Why settings cannot be those of a sum; null: they can. */
export function sumSettingsFault(settings: SumSettings): string | null {
  const { sites, neighbours, threshold, survivorsMin, vectorLength } = settings;
  const count = sites.length;
  if (count < secureSumLimits.sitesMin || count > secureSumLimits.sitesMax) return 'number of sites';
  if (new Set(sites).size !== count) return 'a site twice';
  if (!isWithin(vectorLength, 1, secureSumLimits.vectorLengthMax)) return 'vector length';
  if (!isWithin(settings.round, 1, 2 ** 31) || !isWithin(settings.attempt, 1, 2 ** 31)) return 'round or attempt';
  if (neighbours !== 'all' && (!isWithin(neighbours, 2, secureSumLimits.holdersMax - 1) || neighbours % 2 !== 0))
    return 'number of neighbours';
  const holders = holdersOf(count, neighbours);
  if (holders > secureSumLimits.holdersMax) return 'number of neighbours';
  // Two disjoint groups of holders must not both reach it: one could be told that a site survived, the other that it did not.
  if (!isWithin(threshold, Math.floor(holders / 2) + 1, holders)) return 'threshold';
  if (!isWithin(survivorsMin, Math.max(2, threshold), count)) return 'least number of survivors';
  return null;
}

/** How many hold shares of a site's secrets among `count` sites: itself and its neighbours. */
export function holdersOf(count: number, neighbours: number | 'all'): number {
  return neighbours === 'all' ? count : Math.min(count, neighbours + 1);
}

/** 32 bytes that name the attempt and everything that was agreed on; bound into each key, seal and signature. */
export function runIdOf(settings: SumSettings): Uint8Array {
  const fault = sumSettingsFault(settings);
  assert(fault === null, `a sum's settings: ${fault}`);
  const { task, round, attempt, sites, vectorLength, neighbours, threshold, survivorsMin } = settings;
  const text = 'pulsemesh/secure-sum/run/1';
  return sha256(encodeCbor([text, task, round, attempt, sites, vectorLength, neighbours, threshold, survivorsMin]));
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
