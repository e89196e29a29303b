/** `action` for each item, at most `max` at once, results in the items' order. The first failure is thrown. */
export async function mapBounded<T, R>(
  items: readonly T[],
  max: number,
  action: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await action(items[index] as T); // index is within the array
    }
  };
  await Promise.all(Array.from({ length: Math.min(max, items.length) }, worker));
  return results;
}
