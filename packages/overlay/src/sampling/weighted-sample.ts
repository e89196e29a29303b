import type { Random } from '@pulsemesh/base';

/**
 * At most `count` of `items` without repetition, each drawn with a probability in proportion to its weight among those
 * left (Efraimidis, Spirakis 2006). Items of weight 0 or less are never drawn.
 */
export function weightedSample<T>(
  items: Iterable<T>,
  weightOf: (item: T) => number,
  count: number,
  random: Random,
): T[] {
  const drawn: { readonly item: T; readonly key: number }[] = [];
  for (const item of items) {
    const weight = weightOf(item);
    // 1 - float() is in (0, 1], so that the logarithm is finite.
    if (weight > 0) drawn.push({ item, key: -Math.log(1 - random.float()) / weight });
  }
  drawn.sort((one, other) => one.key - other.key);
  return drawn.slice(0, Math.max(0, count)).map(({ item }) => item);
}
