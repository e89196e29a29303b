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
  const perSubnetMax = Math.floor(count / 2);
  const taken = new Map<string, number>();
  const chosen: Scored[] = [];
  for (const candidate of candidates.toSorted((one, other) => other.score - one.score)) {
    if (chosen.length >= count) break;
    const subnets = rememberedSubnets(candidate.descriptor);
    if (subnets.some((subnet) => (taken.get(subnet) ?? 0) >= perSubnetMax)) continue;
    for (const subnet of subnets) taken.set(subnet, (taken.get(subnet) ?? 0) + 1);
    chosen.push(candidate);
  }
  return chosen;
}

/** The `share` of them with the lowest scores, at least `least` where there are so many. */
export function chooseFar(candidates: readonly Scored[], share: number, least: number): Scored[] {
  const count = Math.max(least, Math.ceil(candidates.length * share));
  return candidates.toSorted((one, other) => one.score - other.score).slice(0, count);
}

function rememberedSubnets(descriptor: Descriptor): readonly string[] {
  let subnets = remembered.get(descriptor);
  if (subnets === undefined) {
    subnets = subnetsOf(descriptor.addresses);
    remembered.set(descriptor, subnets);
  }
  return subnets;
}

const remembered = new WeakMap<Descriptor, readonly string[]>();
