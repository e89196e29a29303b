import { assert, type Random } from '@pulsemesh/base';
import type { PrivacyTerms, TaskBody } from '@pulsemesh/board';
import { createDiscreteGaussian, varianceMax } from './discrete-gaussian.ts';

/** Below this, a sum of discrete Gaussians is not quite one and would cost more than the accountant says; above, 10^−80 at most. */
export const siteDeviationStepsMin = 3;

/** A sum's noise passes this many deviations about once in 10^15 values: so much room is left below 2^31. */
const roomDeviations = 8;

/** A budget holds but for this probability: with a larger one, an ε that looks small would let a few patients in each study be seen. */
const deltaMax = 1e-4;

/** What of a task says how its noise is drawn. */
export type NoiseTask = Pick<TaskBody, 'sitesMin' | 'sitesMax' | 'sum'> & { readonly privacy: PrivacyTerms };

/** σ of the noise that each site adds, in steps: the sum over `sitesMin` of them has the σ of the terms. */
export function siteDeviationSteps({ privacy, sum, sitesMin }: NoiseTask): number {
  return (privacy.noiseMultiplier * privacy.normMax * sum.steps) / Math.sqrt(sitesMin);
}

/** Why a task's privacy terms cannot be kept, in words for its publisher; null: they can. */
export function noiseFault(task: NoiseTask): string | null {
  const { privacy, sum, sitesMax } = task;
  if (!(privacy.normMax > 0 && privacy.normMax <= sum.range)) return 'the norm lies within the range of the sum';
  if (!(privacy.noiseMultiplier > 0 && privacy.noiseMultiplier <= 1e6)) return 'the noise multiplier is above 0';
  if (!(privacy.delta > 0 && privacy.delta <= deltaMax)) return `delta is at most ${deltaMax}`;
  if (!(privacy.epsilonMax > 0)) return 'epsilon is above 0';
  const deviation = siteDeviationSteps(task);
  if (deviation < siteDeviationStepsMin)
    return 'the noise of a site is some steps wide: more steps per unit are needed';
  if (deviation * deviation > varianceMax) return 'the noise of a site fits the sum';
  const room = sitesMax * sum.range * sum.steps + roomDeviations * deviation * Math.sqrt(sitesMax);
  return room < 2 ** 31 ? null : 'range and noise of all sites stay below 2^31 steps';
}

/** The vector scaled down to the norm where it is longer; `isClipped` says whether it was. Values that are no numbers count as 0. */
export function clippedToNorm(
  values: ArrayLike<number>,
  normMax: number,
): { readonly values: Float64Array; readonly isClipped: boolean } {
  const finite = Float64Array.from(values, (value) => (Number.isFinite(value) ? value : 0));
  let squares = 0;
  for (const value of finite) squares += value * value;
  const norm = Math.sqrt(squares);
  if (norm <= normMax) return { values: finite, isClipped: false };
  // Squares of huge values are infinite: then scaled by the largest value first.
  if (!Number.isFinite(norm)) {
    const largest = finite.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return {
      values: clippedToNorm(
        finite.map((value) => value / largest),
        normMax,
      ).values,
      isClipped: true,
    };
  }
  return { values: finite.map((value) => (value * normMax) / norm), isClipped: true };
}

/** Adds values in whole steps, each rounded towards zero: rounding so never adds to a norm, and needs no term in the accounts. */
export function addTruncated(target: Float64Array, values: Float64Array, steps: number): void {
  for (const [index, value] of values.entries()) {
    target[index] = (target[index] as number) + Math.trunc(value * steps); // both have the task's length
  }
}

/**
 * What a site sends of its sum of protected units: whole steps, held to the range, with its share of the noise, modulo 2^32.
 * `random` must be the site's own secret and of this attempt alone: who knows it can take the noise off again.
 * The task's terms were checked by {@link noiseFault}.
 */
export function noisyVector(
  steps: Float64Array,
  task: NoiseTask,
  { random }: { readonly random: Random },
): Uint32Array {
  assert(noiseFault(task) === null, 'the privacy terms were checked');
  const draw = createDiscreteGaussian(Math.ceil(siteDeviationSteps(task) ** 2), { random });
  const limit = Math.floor(task.sum.range * task.sum.steps);
  return Uint32Array.from(steps, (value) => (Math.max(-limit, Math.min(limit, value)) + draw()) >>> 0);
}
