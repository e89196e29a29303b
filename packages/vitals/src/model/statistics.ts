/** Small statistics over short lists; each gives 0 where the list is too short to say anything. */

export function meanOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Population standard deviation. */
export function deviationOf(values: readonly number[]): number {
  return Math.sqrt(centralMoment(values, 2));
}

/** Mean of the `power`-th power of the distance from the mean. */
export function centralMoment(values: readonly number[], power: number): number {
  if (values.length === 0) return 0;
  const mean = meanOf(values);
  let sum = 0;
  for (const value of values) sum += (value - mean) ** power;
  return sum / values.length;
}

/** The list in ascending order. */
export function sortedOf(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other);
}

/** Quantile of an ascending list by linear interpolation, `share` 0 … 1. */
export function quantileOf(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return 0;
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const below = sorted[low] as number; // low is within the list
  const above = sorted[Math.min(low + 1, sorted.length - 1)] as number; // so is its neighbour
  return below + (above - below) * (at - low);
}

export function medianOf(values: readonly number[]): number {
  return quantileOf(sortedOf(values), 0.5);
}

export function differencesOf(values: readonly number[]): number[] {
  const differences: number[] = [];
  for (let index = 1; index < values.length; index += 1) {
    differences.push((values[index] as number) - (values[index - 1] as number)); // both within the list
  }
  return differences;
}

/** Correlation of the list with itself `lag` later, −1 … 1. */
export function autocorrelationOf(values: readonly number[], lag: number): number {
  if (values.length < lag + 2) return 0;
  const mean = meanOf(values);
  let total = 0;
  let shifted = 0;
  for (let index = 0; index < values.length; index += 1) {
    const here = (values[index] as number) - mean; // within the list
    total += here * here;
    if (index >= lag) shifted += here * ((values[index - lag] as number) - mean); // index - lag is not negative
  }
  return total < 1e-12 ? 0 : shifted / total;
}

/** Share of the list for which `holds`. */
export function shareOf(values: readonly number[], holds: (value: number) => boolean): number {
  if (values.length === 0) return 0;
  let count = 0;
  for (const value of values) if (holds(value)) count += 1;
  return count / values.length;
}
