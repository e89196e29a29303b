import type { ExactInterest } from './exact-interest.ts';
import { countCommonBits, type FilterShape, hasBit, type InterestFilter, sameShape } from './interest-filter.ts';

/**
 * Cosine similarity, 0 … 1, of what we read (exact) with what another's noisy filter says, noise taken out: an unbiased
 * estimate of the common bits (BLIP §4; spec overlay §4), turned into topics, and trusted the less the more noise the
 * other chose: who declares a small ε would else be everybody's twin by chance. 0 where they cannot be compared.
 */
export function similarityToMine(mine: ExactInterest, theirs: InterestFilter): number {
  if (!sameShape(mine.shape, theirs.shape) || mine.epoch !== theirs.epoch || mine.topics === 0) return 0;
  const gain = 1 - 2 * theirs.flip;
  let common = 0;
  let needed = 0;
  for (let index = 0; index < mine.positions.length; index += 1) {
    const told = ((hasBit(theirs, mine.positions[index] as number) ? 1 : 0) - theirs.flip) / gain;
    common += told;
    needed += told * ((mine.weights[index] as number) - 1);
  }
  const both = topicsInCommon(mine.shape, mine.positions.length, bitsOf(theirs), common) + needed / mine.shape.hashes;
  const extra = (sum(mine.weights) - mine.weights.length) / mine.shape.hashes;
  const size = likelySize(theirs, mine.topics);
  return clamp(both / Math.sqrt((mine.topics + extra) * size)) * reliability(theirs);
}

/** The same of two noisy filters: for an answer to somebody else. Twice the noise, so never for our own choices. */
export function similarityOfTwo(one: InterestFilter, other: InterestFilter): number {
  if (!sameShape(one.shape, other.shape) || one.epoch !== other.epoch) return 0;
  const common =
    countCommonBits(one, other) -
    other.flip * one.setBits -
    one.flip * other.setBits +
    one.shape.bits * one.flip * other.flip;
  const bits = common / ((1 - 2 * one.flip) * (1 - 2 * other.flip));
  const both = topicsInCommon(one.shape, bitsOf(one), bitsOf(other), bits);
  const size = likelySize(one, usualTopics);
  return clamp(both / Math.sqrt(size * likelySize(other, size))) * Math.min(reliability(one), reliability(other));
}

/**
 * Whether `theirs` is our own published filter under another name: two honest peers differ at least by their noise, even
 * where they read the same. Tells nothing (false) where there is too little noise to see it.
 */
export function isCopyOf(ours: InterestFilter, theirs: InterestFilter): boolean {
  if (!sameShape(ours.shape, theirs.shape)) return false;
  const expected = ours.shape.bits * (ours.flip * (1 - theirs.flip) + theirs.flip * (1 - ours.flip));
  const difference = ours.setBits + theirs.setBits - 2 * countCommonBits(ours, theirs);
  return expected >= copyBitsMin && difference < expected / 2;
}

/** Below so many bits of expected difference chance alone makes copies. */
const copyBitsMin = 40;

/** How many bits its topics set, by its number of set bits; below zero where the noise happened to be low. */
function bitsOf({ setBits, shape, flip }: InterestFilter): number {
  return (setBits - shape.bits * flip) / (1 - 2 * flip);
}

/**
 * How many topics a filter holds, at least 1. The count alone is off by ±15 of 40 at ε = 3, and a size that comes out
 * near zero would make anybody the most similar of all: so it is weighed against the size `expected`, of which half is
 * taken as its usual spread.
 */
function likelySize(filter: InterestFilter, expected: number): number {
  const { shape, flip } = filter;
  const spread = (shape.bits * flip * (1 - flip)) / (1 - 2 * flip) ** 2 / shape.hashes ** 2;
  const usual = (expected / 2) ** 2;
  const told = topicsOfBits(shape, bitsOf(filter));
  return Math.max(1, (told * usual + expected * spread) / (usual + spread));
}

/** What a stranger's size is weighed against. */
const usualTopics = 20;

/** |A ∩ B| = |A| + |B| − |A ∪ B|, each from its number of bits. */
function topicsInCommon(shape: FilterShape, one: number, other: number, common: number): number {
  return topicsOfBits(shape, one) + topicsOfBits(shape, other) - topicsOfBits(shape, one + other - common);
}

/** How many elements set so many bits of a Bloom filter: −(m/k)·ln(1 − w/m). */
function topicsOfBits({ bits, hashes }: FilterShape, set: number): number {
  return (-bits / hashes) * Math.log1p(-Math.min(set, bits - 1) / bits);
}

/** The share of the estimate's spread that is signal: q² / (q² + p(1−p)). */
function reliability({ flip }: InterestFilter): number {
  const gain = (1 - 2 * flip) ** 2;
  return gain / (gain + flip * (1 - flip));
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
