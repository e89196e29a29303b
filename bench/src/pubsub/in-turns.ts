/** Hosts started, and dials made, side by side. */
const atOnce = 8;

/** Makes `count` things, some at once. */
export async function inTurns(count: number, make: (index: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, index) => make(from + index)));
  }
}
