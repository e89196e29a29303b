import { assert } from '@pulsemesh/base';

/** Rényi divergence by order α > 1: what a mechanism loses at most. Adds up over mechanisms (Mironov 2017). */
export type RenyiCurve = (order: number) => number;

/** The orders at which curves without a closed optimum are looked at: 1.1 … 10.9, 12 … 63, as Opacus does. */
export const orders: readonly number[] = [
  ...Array.from({ length: 99 }, (_, index) => 1 + (index + 1) / 10),
  ...Array.from({ length: 52 }, (_, index) => index + 12),
];

/** The Gaussian mechanism, `noiseMultiplier` its σ in units of the sensitivity: α / 2σ², which is ρ-zCDP with ρ = 1 / 2σ². */
export function gaussianCurve(noiseMultiplier: number): RenyiCurve {
  return (order) => order * concentrationOf(noiseMultiplier);
}

/** ρ of zero-concentrated privacy (Bun & Steinke 2016): Δ² / 2σ² for a sensitivity of Δ = 1. */
export function concentrationOf(noiseMultiplier: number): number {
  return noiseMultiplier === 0 ? Number.POSITIVE_INFINITY : 1 / (2 * noiseMultiplier * noiseMultiplier);
}

/** How finely the integral below is laid, and at most how many points it has. */
const pointsMax = 4_000_000;

/**
 * The Gaussian mechanism over a Poisson sample: each unit is in a round with probability `sampleRate`, unseen (Mironov, Talwar &
 * Zhang 2019, eq. 3). Orders need not be whole; the integral is a trapezoid sum, whose error falls exponentially with the
 * distance of the integrand's poles from the real line: 13 digits here.
 */
export function sampledGaussianCurve(noiseMultiplier: number, sampleRate: number): RenyiCurve {
  assert(sampleRate >= 0 && sampleRate <= 1, 'a sample rate is a probability');
  if (sampleRate === 0) return () => 0;
  if (noiseMultiplier === 0) return () => Number.POSITIVE_INFINITY;
  if (sampleRate === 1) return gaussianCurve(noiseMultiplier);
  return (order) => Math.max(0, logMoment(noiseMultiplier, sampleRate, order) / (order - 1));
}

/** ln of the mean of ((1 − q) + q·e^((2x − 1) / 2σ²))^α over normal x with deviation σ. */
function logMoment(deviation: number, rate: number, order: number): number {
  const step = Math.min(deviation / 8, (deviation * deviation) / 4);
  const [from, until] = [-14 * deviation, order + 14 * deviation];
  const count = Math.ceil((until - from) / step);
  assert(count <= pointsMax, 'the noise is wide enough to be integrated over');
  const variance = deviation * deviation;
  const logs = new Float64Array(count + 1);
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index <= count; index += 1) {
    const x = from + index * step;
    const ratio = Math.log(rate) + (2 * x - 1) / (2 * variance);
    const log = order * logSum(Math.log1p(-rate), ratio) - (x * x) / (2 * variance);
    logs[index] = log;
    if (log > largest) largest = log;
  }
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - largest);
  return largest + Math.log(sum) + Math.log(step) - Math.log(deviation) - Math.log(2 * Math.PI) / 2;
}

function logSum(one: number, other: number): number {
  const larger = Math.max(one, other);
  return larger + Math.log1p(Math.exp(Math.min(one, other) - larger));
}

export interface DistributedNoise {
  /** Noise of one site, σ in steps. */
  readonly deviation: number;
  /** Honest sites in the sum, at least 1. */
  readonly sites: number;
  /** L2 norm of what one unit can change, in steps, after rounding. */
  readonly sensitivity: number;
  /** Values of the vector. */
  readonly dimension: number;
}

/**
 * A sum of discrete Gaussians is almost one (Kairouz, Liu & Steinke 2021, arXiv:2102.06387, proposition 14): the term τ says how far
 * it is from one, and vanishes when a site's noise is some steps wide.
 */
export function distributedGaussianCurve({ deviation, sites, sensitivity, dimension }: DistributedNoise): RenyiCurve {
  let tau = 0;
  for (let index = 1; index < sites; index += 1) {
    tau += 10 * Math.exp(-2 * Math.PI * Math.PI * deviation * deviation * (index / (index + 1)));
  }
  const scale = sensitivity / (Math.sqrt(sites) * deviation);
  return (order) =>
    Math.min((order / 2) * scale * scale + tau * dimension, (order / 2) * (scale + Math.sqrt(dimension) * tau) ** 2);
}

/**
 * The norm of a vector after each of its values was rounded to whole steps: without `failure`, of nearest or any other rounding; with
 * it, of rounding at random, drawn again until it holds, which costs that factor (their theorem 1). Rounding towards zero, as
 * `noisyVector` does it, needs neither.
 */
export function roundedNorm(norm: number, dimension: number, failure = 0): number {
  const always = norm + Math.sqrt(dimension);
  if (failure === 0) return always;
  const likely = norm * norm + dimension / 4 + Math.sqrt(2 * Math.log(1 / failure)) * (norm + Math.sqrt(dimension) / 2);
  return Math.min(always, Math.sqrt(likely));
}

/** ε at δ of a curve, the best of {@link orders} (Canonne, Kamath & Steinke 2020, proposition 12). */
export function epsilonOfCurve(curve: RenyiCurve, delta: number, at: readonly number[] = orders): number {
  let best = Number.POSITIVE_INFINITY;
  for (const order of at) best = Math.min(best, epsilonAt(order, curve(order), delta));
  return Math.max(0, best);
}

/** ε at δ of ρ-zCDP, the best of all orders. */
export function epsilonOf(concentration: number, delta: number): number {
  if (concentration === 0) return 0;
  if (!Number.isFinite(concentration)) return Number.POSITIVE_INFINITY;
  const at = (position: number) => epsilonAt(1 + Math.exp(position), (1 + Math.exp(position)) * concentration, delta);
  // One minimum over ln(α − 1): golden sections.
  const share = (Math.sqrt(5) - 1) / 2;
  let [low, high] = [-12, 30];
  for (let step = 0; step < 100; step += 1) {
    const [left, right] = [high - share * (high - low), low + share * (high - low)];
    if (at(left) < at(right)) high = right;
    else low = left;
  }
  return Math.max(0, at((low + high) / 2));
}

function epsilonAt(order: number, divergence: number, delta: number): number {
  return divergence - (Math.log(delta) + Math.log(order)) / (order - 1) + Math.log1p(-1 / order);
}
