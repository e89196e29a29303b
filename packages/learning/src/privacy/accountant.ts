import { assert } from '@pulsemesh/base';
import type { PrivacyTerms } from '@pulsemesh/board';
import type { Accountant } from '../rounds/work.ts';
import { concentrationOf, epsilonOf } from './renyi.ts';

/**
 * What a task has cost after so many opened sums: ρ = rounds / 2z², z the noise multiplier, added up and turned into ε at the terms'
 * δ. It counts the noise of `sitesMin` sites and no more, whoever else was there; every site is in every round, so nothing is
 * gained by sampling. Compared are runs with and without the unit's vector (zeros in its place); for one vector against any
 * other, norms of differences are twice as long: reckon with four times the ρ.
 */
export const accountant: Accountant = {
  epsilonAfter(terms, reveals, sites) {
    assert(reveals >= 0 && sites >= 1, 'rounds and sites are counted');
    return epsilonOf(reveals * concentrationOf(terms.noiseMultiplier), terms.delta);
  },
};

/**
 * The multiplier that is left against those who know some of the noise: of `sites` that answered, `knowing` (an attacker with the
 * sites it controls; each honest site knows its own) can take theirs off. `sitesMin` is the task's.
 */
export function multiplierAgainst(
  terms: PrivacyTerms,
  counts: { readonly sitesMin: number; readonly sites: number; readonly knowing: number },
): number {
  const honest = Math.max(0, counts.sites - counts.knowing);
  return terms.noiseMultiplier * Math.sqrt(honest / counts.sitesMin);
}

/** The smallest multiplier with which `rounds` opened sums stay within ε at δ. */
export function multiplierFor(epsilon: number, delta: number, rounds: number): number {
  let [low, high] = [1e-3, 1e6];
  for (let step = 0; step < 100; step += 1) {
    const middle = Math.sqrt(low * high);
    if (epsilonOf(rounds * concentrationOf(middle), delta) <= epsilon) high = middle;
    else low = middle;
  }
  return high;
}
