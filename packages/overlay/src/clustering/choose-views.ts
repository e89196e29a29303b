import type { Descriptor } from '../descriptor.ts';
import { subnetsOf } from '../sampling/subnet.ts';

/** A peer that may be taken, and how good it would be. */
export interface Scored {
  readonly descriptor: Descriptor;
  readonly score: number;
}

/**
 * The `count` best, best first, at most half of them from one /24 or /48; the order given decides between equals, so shuffle first.
 * Descending: several earlier implementations sorted upwards and kept the least similar peers (spec overlay,
 * defects 3 and 5).
 */
export function chooseNear(candidates: readonly Scored[], count: number): Scored[] {
  const best = candidates.toSorted((one, other) => other.score - one.score);
  return takeOfManySubnets(best, count, Math.floor(count / 2));
}

/**
 * The `share` of them with the lowest scores, at least `least` where there are so many; of one /24 or /48 at most half, as long as
 * there are others.
 */
export function chooseFar(candidates: readonly Scored[], share: number, least: number): Scored[] {
  const count = Math.max(least, Math.ceil(candidates.length * share));
  return diverseFirst(
    candidates.toSorted((one, other) => one.score - other.score),
    count,
  );
}

/** The first `count`, of which at most half are from one /24 or /48 as long as there are others; `having` are there already. */
export function diverseFirst(
  candidates: readonly Scored[],
  count: number,
  having: readonly Descriptor[] = [],
): Scored[] {
  const perSubnetMax = Math.floor((having.length + count) / 2);
  const diverse = takeOfManySubnets(candidates, count, perSubnetMax, having);
  const others = candidates.filter((one) => !diverse.includes(one));
  return [...diverse, ...others.slice(0, count - diverse.length)];
}

function takeOfManySubnets(
  candidates: readonly Scored[],
  count: number,
  perSubnetMax: number,
  having: readonly Descriptor[] = [],
): Scored[] {
  const taken = new Map<string, number>();
  const take = (subnets: readonly string[]) => {
    for (const subnet of subnets) taken.set(subnet, (taken.get(subnet) ?? 0) + 1);
  };
  for (const descriptor of having) take(subnetsOf(descriptor.addresses));
  const chosen: Scored[] = [];
  for (const candidate of candidates) {
    if (chosen.length >= count) break;
    const subnets = subnetsOf(candidate.descriptor.addresses);
    if (subnets.some((subnet) => (taken.get(subnet) ?? 0) >= perSubnetMax)) continue;
    take(subnets);
    chosen.push(candidate);
  }
  return chosen;
}
