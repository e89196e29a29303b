/** Negative, zero or positive as the first sorts before, with or after the second: byte by byte, shorter first. */
export const compareBytes: (a: Uint8Array, b: Uint8Array) => number =
  // Tables in memory are for pages, too, which have no Buffer.
  typeof Buffer === 'undefined' ? compareOneByOne : Buffer.compare;

function compareOneByOne(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const difference = (a[at] as number) - (b[at] as number); // both are longer
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(a.length - b.length);
}
