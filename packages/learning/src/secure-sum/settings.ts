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

/** Full graph up to here, 20 neighbours beyond: what a sum's terms are where nobody has a reason for others. */
const fullGraphSitesMax = 32;
const neighboursBeyond = 20;

/**
 * Neighbours and threshold for so many sites: all and two thirds up to 32 sites; beyond, 20 neighbours and two thirds
 * of a site and its neighbours (Bell et al. 2020).
 */
export function customarySumGraph(sites: number): { readonly neighbours: number | 'all'; readonly threshold: number } {
  const isFull = sites <= fullGraphSitesMax;
  const holders = isFull ? sites : neighboursBeyond + 1;
  return { neighbours: isFull ? 'all' : neighboursBeyond, threshold: Math.max(2, Math.ceil((holders * 2) / 3)) };
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
